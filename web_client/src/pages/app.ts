/** Decides which page is shown: entry by link, the seat that this tab holds, or how to get one. */
import { html, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { HearingClient } from "../core/hearing_client.ts";
import { t } from "../core/language.ts";
import { keepSeat, readDevices, readSeat, type SeatSession } from "../core/seat_session.ts";
import { LocalMedia } from "../media/local_media.ts";
import type { EndReason } from "../net/connection.ts";
import type { IconName } from "../ui/icons.ts";
import { LightElement } from "../ui/light_element.ts";
import { isPhoneScreen } from "../ui/screen.ts";
import "./court_page.ts";
import "./enter_page.ts";
import type { EnteredEvent } from "./enter_page.ts";
import { messagePage } from "./message_page.ts";
import "./witness_page.ts";

type Route = { page: "enter"; token: string } | { page: "seat" } | { page: "none" };

const END_ICONS: Partial<Record<EndReason, IconName>> = { left: "leave", replaced: "users", hearing_over: "stop" };

export function pathOf(session: SeatSession): string {
  return `/${session.role === "witness" ? "witness" : "court"}/${session.hearing_id}`;
}

/** A link in the address wins over the seat this tab holds: somebody has just opened it. */
function routeOf(address: Location, session: SeatSession | null): Route {
  const token = address.hash.slice(1);
  if (address.pathname === "/enter" && token !== "") return { page: "enter", token };
  const isSeatPath = /^\/(court|witness)\//.test(address.pathname);
  return isSeatPath && session && address.pathname.endsWith(`/${session.hearing_id}`) ? { page: "seat" } : { page: "none" };
}

export class HearingApp extends LightElement {
  static override properties = { route: { state: true } };
  declare route: Route;
  #client: HearingClient | null = null;
  readonly #redraw = (): void => this.requestUpdate();

  constructor() {
    super();
    this.route = { page: "none" };
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("hashchange", this.#follow);
    addEventListener("popstate", this.#follow);
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("hashchange", this.#follow);
    removeEventListener("popstate", this.#follow);
    this.#drop();
  }

  get client(): HearingClient | null {
    return this.#client;
  }

  readonly #follow = (): void => {
    const session = readSeat();
    const route = routeOf(location, session);
    if (route.page === "none" && this.#client) return; // a skip link moved the focus, nothing else
    this.route = route;
    if (route.page === "enter") this.#drop();
    else if (route.page === "seat" && session && !this.#client) this.#takeSeat(session, this.#openDevices(session));
  };

  #openDevices(session: SeatSession): LocalMedia {
    const local = new LocalMedia();
    if (session.role !== "observer") void local.open(readDevices(), isPhoneScreen());
    return local;
  }

  readonly #onEntered = (event: Event): void => {
    const { session, local } = event as EnteredEvent;
    keepSeat(session);
    this.#takeSeat(session, local);
  };

  #takeSeat(session: SeatSession, local: LocalMedia): void {
    // The link's token must not stay in the history.
    history.replaceState(null, "", pathOf(session));
    this.#client = new HearingClient(session, local);
    this.#client.addEventListener("change", this.#redraw);
    this.#client.start();
    this.route = { page: "seat" };
  }

  #drop(): void {
    this.#client?.removeEventListener("change", this.#redraw);
    this.#client?.close();
    this.#client = null;
  }

  protected override updated(): void {
    const view = this.#client?.view;
    const parts = [this.#client?.notice?.case.number, view ? t(`state.${view.state}`) : null, t("frame.title")];
    document.title = parts.filter((part) => part).join(" · ");
  }

  protected override render(): TemplateResult {
    const { route } = this;
    if (route.page === "enter") {
      return html`${keyed(route.token, html`<enter-page .token=${route.token} @entered=${this.#onEntered}></enter-page>`)}`;
    }
    const client = this.#client;
    if (route.page === "none" || !client) return this.#message("link", t("none.title"), t("none.text"), "no-seat");
    if (client.phase === "ended") return this.#ended(client);
    if (!client.view) return this.#message("clock", t("connecting.title"), t("connecting.text"), "connecting");
    return client.view.me.role === "witness"
      ? html`<witness-page .client=${client}></witness-page>`
      : html`<court-page .client=${client}></court-page>`;
  }

  #ended(client: HearingClient): TemplateResult {
    const reason = client.endReason ?? "session_unknown";
    const action = reason === "replaced" ? { label: t("goodbye.replaced_action"), run: () => location.reload() } : null;
    return this.#message(
      END_ICONS[reason] ?? "info",
      t(`goodbye.${reason}`),
      t(`goodbye.${reason}_text`),
      `goodbye:${reason}`,
      action,
    );
  }

  #message(
    icon: IconName,
    title: string,
    text: string,
    testid: string,
    action: { label: string; run(): void } | null = null,
  ): TemplateResult {
    const page = messagePage({
      icon,
      title,
      text,
      testid,
      action,
      case: this.#client?.notice?.case ?? null,
      redraw: this.#redraw,
    });
    return html`<div class="page-kiosk">${page}</div>`;
  }
}

customElements.define("hearing-app", HearingApp);
