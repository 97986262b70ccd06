/** Which step of the way the witness is on: one screen for every combination of testimony and state. */
import type { HearingView } from "../net/messages.gen.ts";

export type WitnessScreen = "waiting" | "called" | "testimony" | "paused" | "released" | "closed" | "cancelled";

export function witnessScreen(view: HearingView): WitnessScreen {
  if (view.state === "closed" || view.state === "cancelled") return view.state;
  switch (view.me.testimony) {
    case "testifying":
      return view.state === "in_session" ? "testimony" : "paused";
    case "called":
    case "released":
      return view.me.testimony;
    default:
      return "waiting";
  }
}
