/** What directs the hearing: opening, recess, resuming, closing. Drawn from the server's list and nothing else. */
import { html, type TemplateResult } from "lit";
import { shownAction } from "../core/actions.ts";
import { t } from "../core/language.ts";
import type { Action, HearingState } from "../net/messages.gen.ts";
import { button, type ButtonOptions } from "./button.ts";
import type { CourtContext } from "./court_context.ts";
import type { IconName } from "./icons.ts";

type Act = Extract<Action, "open_check_in" | "start" | "recess" | "resume" | "close" | "cancel">;

interface ActLook {
  icon: IconName;
  /** The states in which this is the one thing to do next. */
  primaryIn: readonly HearingState[];
  isFinal: boolean;
}

const LOOKS: Readonly<Record<Act, ActLook>> = {
  open_check_in: { icon: "enter", primaryIn: ["scheduled"], isFinal: false },
  start: { icon: "play", primaryIn: ["check_in"], isFinal: false },
  resume: { icon: "play", primaryIn: ["recess", "interrupted"], isFinal: false },
  recess: { icon: "pause", primaryIn: [], isFinal: false },
  cancel: { icon: "x-circle", primaryIn: [], isFinal: true },
  close: { icon: "stop", primaryIn: [], isFinal: true },
};

function askFinal(context: CourtContext, act: "close" | "cancel"): void {
  const title = context.client.notice?.case.title ?? "";
  context.ask({
    title: t(`${act}.title`, { title }),
    effects: [
      { icon: "users", text: t(`${act}.effect_people`) },
      { icon: "doc", text: t(`${act}.effect_record`) },
    ],
    confirm: t(`${act}.confirm`),
    isDanger: true,
    run: () => void context.client.act({ type: act }),
  });
}

function actButton(context: CourtContext, act: Act): ButtonOptions | null {
  const { client, view } = context;
  if (!shownAction(view, act)?.allowed) return null;
  const look = LOOKS[act];
  const onClick = look.isFinal
    ? () => askFinal(context, act as "close" | "cancel")
    : () => void client.act({ type: act });
  const kind = look.isFinal ? "danger" : look.primaryIn.includes(view.state) ? "primary" : undefined;
  return { label: t(`act.${act}`), icon: look.icon, testid: act, onClick, ...(kind ? { kind } : {}) };
}

export function actButtons(context: CourtContext): readonly TemplateResult[] {
  return (Object.keys(LOOKS) as Act[])
    .map((act) => actButton(context, act))
    .filter((options) => options !== null)
    .map(button);
}

export function actsToolbar(context: CourtContext, own: readonly TemplateResult[]): TemplateResult {
  return html`<div class="acts" role="toolbar" aria-label=${t("court.acts")}>
    ${own}<span class="grow"></span>${actButtons(context)}
  </div>`;
}
