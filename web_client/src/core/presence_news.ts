/** What changed between two views that people should be told once: who was lost, came back or left. */
import { everybody } from "./places.ts";
import type { HearingView } from "../net/messages.gen.ts";

export interface PresenceNews {
  kind: "lost" | "returned" | "left";
  person_id: string;
}

export function presenceNews(before: HearingView | null, after: HearingView): readonly PresenceNews[] {
  if (!before) return [];
  const earlier = new Map(everybody(before).map((seat) => [seat.person_id, seat.presence]));
  const news: PresenceNews[] = [];
  for (const { person_id, presence } of after.seats) {
    const was = earlier.get(person_id);
    if (was === undefined || was === presence) continue;
    if (presence === "lost") news.push({ kind: "lost", person_id });
    else if (presence === "left") news.push({ kind: "left", person_id });
    else if (presence === "present" && was === "lost") news.push({ kind: "returned", person_id });
  }
  return news;
}
