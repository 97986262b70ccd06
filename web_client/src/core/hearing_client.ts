/**
 * The hearing as this tab knows it: the newest view, the connection, the media, and what to tell the person.
 * Pages read it and are drawn again on "change".
 */
import { CommandRefusedError, Connection, type Answered, type ConnectionPhase, type EndReason, type Outgoing } from "../net/connection.ts";
import type { Health, HearingView, ServerNotice, View } from "../net/messages.gen.ts";
import type { LocalMedia } from "../media/local_media.ts";
import { MediaSession } from "../media/media_session.ts";
import { setServerTime, nowMs } from "./court_clock.ts";
import { presenceNews, type PresenceNews } from "./presence_news.ts";
import { forgetSeat, type SeatSession } from "./seat_session.ts";

export type Toast = { id: number; at_ms: number } & (
  | { kind: PresenceNews["kind"]; name: string }
  | { kind: "refused"; code: string; parameters: Readonly<Record<string, string>> }
  | { kind: "copied" }
);
type NewToast = Toast extends infer One ? (One extends Toast ? Omit<One, "id" | "at_ms"> : never) : never;

const TOAST_MS = 8_000;
const MAX_TOASTS = 3;
/** After these the seat is gone for good, and the token with it. */
const SEAT_GONE: ReadonlySet<EndReason> = new Set(["left", "revoked", "hearing_over", "session_unknown"]);
/** Refusals of the media exchange are settled by a new offer; the person can do nothing about them. */
const SILENT = new Set(["not_connected", "no_answer", "stale_negotiation", "media_peer_unknown", "media_down"]);

export class HearingClient extends EventTarget {
  readonly session: SeatSession;
  readonly local: LocalMedia;
  readonly media: MediaSession;
  readonly #connection: Connection;
  #latest: View | null = null;
  #phase: ConnectionPhase = "connecting";
  #endReason: EndReason | null = null;
  #toasts: Toast[] = [];
  #nextToast = 1;
  #isDrawPending = false;
  /** How well seats are connected, as far as the server tells this one: its own, and to officers everybody's. */
  readonly #health = new Map<string, Health>();

  constructor(session: SeatSession, local: LocalMedia) {
    super();
    this.session = session;
    this.local = local;
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
    this.#connection = new Connection(
      {
        onOpen: () => {
          this.#health.clear();
          this.media.reset();
          this.media.open();
        },
        onNotice: (notice) => this.#onNotice(notice),
        onPhase: (phase, reason) => this.#onPhase(phase, reason),
        lastSeq: () => this.#latest?.view.seq ?? null,
      },
      { url, token: session.resume_token },
    );
    this.media = new MediaSession(
      {
        send: (message) => {
          void this.#connection.send(message).catch((error: unknown) => this.#mediaRefused(message, error));
        },
        onChange: () => this.#changed(),
        ownSeatId: () => this.view?.me.seat_id ?? null,
      },
      local,
    );
  }

  get view(): HearingView | null {
    return this.#latest?.view ?? null;
  }

  get notice(): View | null {
    return this.#latest;
  }

  get phase(): ConnectionPhase {
    return this.#phase;
  }

  get endReason(): EndReason | null {
    return this.#endReason;
  }

  get toasts(): readonly Toast[] {
    return this.#toasts;
  }

  start(): void {
    window.addEventListener("online", this.#onOnline);
    this.#connection.start();
  }

  /** Idempotent. */
  close(): void {
    window.removeEventListener("online", this.#onOnline);
    this.#connection.close();
    this.media.close();
    this.local.close();
  }

  /** Null: good, or not known. */
  weaknessOf(seatId: string): Health | null {
    const health = this.#health.get(seatId);
    const isWeak = health && (health.is_video_paused || [health.uplink, health.downlink].some((one) => one === "poor" || one === "bad"));
    return isWeak ? health : null;
  }

  /** The network of this seat is too weak: only sound is sent to it. */
  get arePicturesPaused(): boolean {
    return this.view !== null && this.#health.get(this.view.me.seat_id)?.is_video_paused === true;
  }

  nameOf(personId: string): string {
    return this.#latest?.names[personId] ?? "";
  }

  /** Do something; a refusal is shown to the person. Resolves to null when it was refused. */
  async act(message: Outgoing): Promise<Answered | null> {
    try {
      return await this.#connection.send(message);
    } catch (error) {
      if (error instanceof CommandRefusedError) {
        this.tell({ kind: "refused", code: error.code, parameters: error.parameters });
      }
      return null;
    }
  }

  tell(toast: NewToast): void {
    const id = this.#nextToast++;
    this.#toasts = [...this.#toasts, { ...toast, id, at_ms: nowMs() } as Toast].slice(-MAX_TOASTS);
    setTimeout(() => this.dismiss(id), TOAST_MS);
    this.#changed();
  }

  dismiss(id: number): void {
    this.#toasts = this.#toasts.filter((toast) => toast.id !== id);
    this.#changed();
  }

  readonly #onOnline = (): void => this.#connection.retryNow();

  #onNotice(notice: ServerNotice): void {
    switch (notice.type) {
      case "welcome":
        setServerTime(notice.server_time);
        break;
      case "view":
        this.#onView(notice);
        break;
      case "offer":
        this.media.onOffer(notice);
        break;
      case "streams":
        this.media.onStreams(notice);
        break;
      case "media_state":
        this.media.onMediaState(notice);
        break;
      case "health":
        this.#health.set(notice.seat_id, notice);
        this.#changed();
        break;
      default:
        break; // answers and goodbyes are the connection's
    }
  }

  #onView(notice: View): void {
    setServerTime(notice.server_time);
    const before = this.#latest;
    this.#latest = notice;
    this.local.setMuted(notice.view.me.is_muted);
    this.local.setCameraOn(notice.view.me.is_camera_on);
    for (const { kind, person_id } of presenceNews(before?.view ?? null, notice.view)) {
      this.tell({ kind, name: notice.names[person_id] ?? "" });
    }
    this.#changed();
  }

  #onPhase(phase: ConnectionPhase, reason: EndReason | null): void {
    this.#phase = phase;
    this.#endReason = reason;
    if (phase === "ended") {
      this.media.close();
      this.local.close();
      if (reason && SEAT_GONE.has(reason)) forgetSeat();
    }
    this.#changed();
  }

  #mediaRefused(message: Outgoing, error: unknown): void {
    if (!(error instanceof CommandRefusedError)) return;
    if (!SILENT.has(error.code)) console.warn("media message refused", message.type, error.code);
    // After a lost socket the next welcome opens the media again; any other refusal needs another try.
    if (message.type === "open_media" && this.#phase === "open") this.media.reopen();
  }

  /** Many things change together; the page is drawn once for all of them. */
  #changed(): void {
    if (this.#isDrawPending) return;
    this.#isDrawPending = true;
    queueMicrotask(() => {
      this.#isDrawPending = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}
