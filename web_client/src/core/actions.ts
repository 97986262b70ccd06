/** What the person may do now, exactly as the server lists it. Nothing here decides; it only finds and words. */
import type { Action, ActionView, HearingView, ReasonCode } from "../net/messages.gen.ts";
import { fill, hasText, t } from "./language.ts";

export function findAction(view: HearingView, action: Action, personId: string | null = null): ActionView | null {
  return view.actions.find((one) => one.action === action && one.person_id === personId) ?? null;
}

export function isAllowed(view: HearingView, action: Action, personId: string | null = null): boolean {
  return findAction(view, action, personId)?.allowed ?? false;
}

/**
 * Where a person would look for a button that is not allowed now, it stays and says why. Every other refused action
 * is absent: a recess button in a hearing that has not begun helps nobody.
 */
const EXPLAINED: Partial<Record<Action, ReadonlySet<ReasonCode>>> = {
  call_witness: new Set(["witness_not_present", "another_witness_on_stand", "wrong_state"]),
  unmute_self: new Set(["mute_locked"]),
  unmute_other: new Set(["muted_by_self"]),
  talk_to: new Set(["already_talking"]),
};

/** The action to draw a button for: allowed, or refused for a reason that is worth showing; else null. */
export function shownAction(view: HearingView, action: Action, personId: string | null = null): ActionView | null {
  const found = findAction(view, action, personId);
  if (!found || found.allowed) return found;
  if (view.state === "closed" || view.state === "cancelled") return null;
  return found.reason_code && EXPLAINED[action]?.has(found.reason_code) ? found : null;
}

/** Why not, in words. `names`: person_id -> name. */
export function reasonText(
  code: string,
  parameters: Readonly<Record<string, string>>,
  names: Readonly<Record<string, string>>,
): string {
  const special = `reason.${code}.${parameters.action}`;
  const key = hasText(special) ? special : `reason.${code}`;
  if (!hasText(key)) return t("error.other", { code });
  const state = parameters.state ? `state.${parameters.state}` : "";
  return fill(t(key), {
    name: names[parameters.person_id ?? ""] || t("person.somebody"),
    state: hasText(state) ? t(state) : "",
  });
}
