/** What the parts of a courtroom page share. */
import type { HearingClient } from "../core/hearing_client.ts";
import type { HearingView, SeatView } from "../net/messages.gen.ts";
import type { Question } from "./dialog.ts";

export interface CourtContext {
  client: HearingClient;
  view: HearingView;
  /** Put a question before the person; nothing happens until it is answered. */
  ask(question: Question): void;
  /** Ask for a new personal link and show it. */
  reissueLink(seat: SeatView): void;
  /** The person whose further actions are unfolded. */
  unfolded: string | null;
  unfold(personId: string | null): void;
}
