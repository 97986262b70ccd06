/** The courtroom, for everybody but witnesses. */
import { html, nothing, type TemplateResult } from "lit";
import { isAllowed } from "../core/actions.ts";
import { t } from "../core/language.ts";
import { places } from "../core/places.ts";
import type { HearingClient } from "../core/hearing_client.ts";
import type { HearingView, SeatView } from "../net/messages.gen.ts";
import { actsToolbar } from "../ui/acts.ts";
import type { CourtContext } from "../ui/court_context.ts";
import "../ui/dialog.ts";
import type { Question } from "../ui/dialog.ts";
import { icon } from "../ui/icons.ts";
import { LightElement } from "../ui/light_element.ts";
import { banners, bannersOf, toasts, type Banner } from "../ui/notices.ts";
import { askLeave, OWN_MICROPHONE_REASON, ownButtons, ownMicrophone } from "../ui/own_controls.ts";
import { peoplePanel } from "../ui/people_panel.ts";
import { phoneCourt } from "../ui/phone_court.ts";
import { skipLink } from "../ui/skip_link.ts";
import { stage } from "../ui/stage.ts";
import { languageButton, stateFact, themeButton } from "../ui/state_line.ts";

const PHONE = "(max-width: 37.49rem)";

/** Why the room is silent, for people who see it and hear nothing. */
function waitingBanner(view: HearingView): Banner | null {
  const { me, state } = view;
  const common = { kind: "action", icon: "clock" } as const;
  if (state === "interrupted") {
    return { ...common, kind: "warn", icon: "broken", id: state, title: t("state.interrupted"), text: t("wait.interrupted") };
  }
  if (state === "scheduled" || state === "recess" || state === "closed" || state === "cancelled") {
    return { ...common, id: state, title: t(`state.${state}`), text: t(`wait.${state}`) };
  }
  if (me.is_talking_with_clerk && me.role !== "clerk") {
    return { ...common, icon: "chat", id: "talk", title: t("wait.talk_title"), text: t("wait.talk") };
  }
  if (me.location === "waiting_room") {
    return { ...common, id: "waiting", title: t("wait.waiting_title"), text: t("wait.waiting") };
  }
  if (me.role === "observer") {
    return { ...common, icon: "eye", id: "observer", title: t("wait.observer_title"), text: t("wait.observer") };
  }
  return null;
}

export class CourtPage extends LightElement {
  static override properties = {
    client: { attribute: false },
    question: { state: true },
    link: { state: true },
    unfolded: { state: true },
  };
  declare client: HearingClient;
  declare question: Question | null;
  declare link: { name: string; url: string } | null;
  declare unfolded: string | null;
  readonly #phone = matchMedia(PHONE);
  readonly #redraw = (): void => this.requestUpdate();

  constructor() {
    super();
    this.question = null;
    this.link = null;
    this.unfolded = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.client.addEventListener("change", this.#redraw);
    this.#phone.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.client.removeEventListener("change", this.#redraw);
    this.#phone.removeEventListener("change", this.#redraw);
  }

  #context(view: HearingView): CourtContext {
    return {
      client: this.client,
      view,
      ask: (question) => (this.question = question),
      reissueLink: (seat) => void this.#reissueLink(seat),
      unfolded: this.unfolded,
      unfold: (personId) => (this.unfolded = personId),
    };
  }

  async #reissueLink(seat: SeatView): Promise<void> {
    const answer = await this.client.act({ type: "reissue_link", person_id: seat.person_id });
    if (answer?.type === "link") this.link = { name: this.client.nameOf(seat.person_id), url: answer.url };
  }

  protected override render(): TemplateResult | typeof nothing {
    const { view } = this.client;
    if (!view) return nothing;
    const context = this.#context(view);
    const where = places(view);
    const isPhone = this.#phone.matches;
    this.className = isPhone ? "page-phone" : "page-court";
    const waiting = waitingBanner(view);
    const notices = banners([...bannersOf(this.client), ...(waiting ? [waiting] : [])]);
    return html`${isPhone ? phoneCourt(context, where, notices) : this.#room(context, where, notices)}
    ${this.#dialogs()}${toasts(this.client)}`;
  }

  #room(context: CourtContext, where: ReturnType<typeof places>, notices: TemplateResult): TemplateResult {
    const { client } = this;
    const why = ownMicrophone(context)?.reason;
    return html`${skipLink()}
      <header class="state-line on-ink">
        <div class="state-line__case">
          <h1>${client.notice?.case.number}</h1>
          <p>${client.notice?.case.title}</p>
        </div>
        <div class="state-line__facts">
          ${stateFact(context.view)}<court-clock class="state-line__clock" seconds></court-clock>
        </div>
        <div class="state-line__tools">
          ${languageButton(() => client.dispatchEvent(new Event("change")))}${themeButton()}
          ${isAllowed(context.view, "leave")
            ? html`<button type="button" class="ink-button" data-testid="leave" @click=${() => askLeave(context)}>
                ${icon("leave")}<span>${t("state_line.leave")}</span>
              </button>`
            : nothing}
        </div>
      </header>
      <main id="main" class="court" tabindex="-1">
        <div class="court__left">
          ${notices} ${stage(context, where)}
          <div>
            ${actsToolbar(context, ownButtons(context))}
            ${why ? html`<p class="reason" id=${OWN_MICROPHONE_REASON}>${why}</p>` : nothing}
          </div>
        </div>
        <aside class="court__right" aria-label=${t("people.title")}>${peoplePanel(context, where)}</aside>
      </main>`;
  }

  #dialogs(): TemplateResult {
    const { question, link } = this;
    const done = () => {
      this.question = null;
      this.link = null;
    };
    if (link) {
      const copied = () => this.client.tell({ kind: "copied" });
      return html`<link-dialog .name=${link.name} .url=${link.url} @done=${done} @copied=${copied}></link-dialog>`;
    }
    return question ? html`<question-dialog .question=${question} @done=${done}></question-dialog>` : html``;
  }
}

customElements.define("court-page", CourtPage);
