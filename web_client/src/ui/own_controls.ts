/** The person's own microphone, camera and way out. */
import type { TemplateResult } from "lit";
import { isAllowed, reasonText, shownAction } from "../core/actions.ts";
import { t } from "../core/language.ts";
import { button, type ButtonOptions } from "./button.ts";
import type { CourtContext } from "./court_context.ts";

export interface OwnMicrophone {
  options: ButtonOptions;
  /** Why it cannot be opened now. */
  reason: string | null;
}

export const OWN_MICROPHONE_REASON = "own-microphone-reason";

/** One button that opens and closes the own microphone; null for people who do not speak. */
export function ownMicrophone({ client, view }: CourtContext): OwnMicrophone | null {
  const { me } = view;
  const action = shownAction(view, me.is_muted ? "unmute_self" : "mute_self");
  if (!action) return null;
  const reason = action.allowed
    ? null
    : reasonText(action.reason_code ?? "", action.parameters, client.notice?.names ?? {});
  const options: ButtonOptions = {
    label: t(me.is_muted ? "own.microphone_off" : "own.microphone_on"),
    name: t(me.is_muted ? "own.open_microphone" : "own.close_microphone"),
    icon: me.is_muted ? "mic-off" : "mic",
    testid: `mute:${me.person_id}`,
    reasonId: reason === null ? undefined : OWN_MICROPHONE_REASON,
    onClick: () => void client.act({ type: me.is_muted ? "unmute" : "mute", person_id: me.person_id }),
  };
  return { options, reason };
}

export function ownCamera({ client, view }: CourtContext): ButtonOptions | null {
  const isOn = view.me.is_camera_on;
  if (!isAllowed(view, "set_camera")) return null;
  return {
    label: t(isOn ? "own.camera_on" : "own.camera_off"),
    name: t(isOn ? "own.close_camera" : "own.open_camera"),
    icon: isOn ? "cam" : "cam-off",
    testid: "camera",
    onClick: () => void client.act({ type: "set_camera", is_on: !isOn }),
  };
}

export function askLeave(context: CourtContext): void {
  context.ask({
    title: t("leave.title"),
    effects: [
      { icon: "leave", text: t("leave.effect_seat") },
      { icon: "user", text: t("leave.effect_return") },
    ],
    confirm: t("leave.confirm"),
    isDanger: true,
    run: () => void context.client.act({ type: "leave" }),
  });
}

export function ownButtons(context: CourtContext): readonly TemplateResult[] {
  const options = [ownMicrophone(context)?.options, ownCamera(context)];
  return options.filter((one) => one !== null && one !== undefined).map(button);
}
