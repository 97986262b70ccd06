/**
 * One WebSocket to the hearing, kept alive: it authenticates, reconnects with backoff and resumes from the last
 * event seen. A command is a promise that settles with the server's answer for its id.
 */
import { backoffMs } from "./backoff.ts";
import type { Authenticate, ClientMessage, Goodbye, Link, Ok, Refused, ServerNotice } from "./messages.gen.ts";

type Unnumbered<M> = M extends unknown ? Omit<M, "id"> : never;
/** A client message without the id, which the connection gives. */
export type Outgoing = Unnumbered<Exclude<ClientMessage, Authenticate>>;
export type Answered = Ok | Link;

/** `ended`: no further attempt is made; `reason` says why. */
export type ConnectionPhase = "connecting" | "open" | "restoring" | "ended";
export type EndReason = Goodbye["code"] | "session_unknown";

export class CommandRefusedError extends Error {
  constructor(
    readonly code: string,
    readonly parameters: Readonly<Record<string, string>> = {},
  ) {
    super(code);
  }
}

export interface ConnectionHost {
  /** The socket is open and the seat is ours (again). */
  onOpen(): void;
  onNotice(notice: ServerNotice): void;
  onPhase(phase: ConnectionPhase, reason: EndReason | null): void;
  /** Number of the last event seen, to resume from. */
  lastSeq(): number | null;
}

export interface ConnectionOptions {
  url: string;
  token: string;
  makeSocket?: (url: string) => WebSocket;
  random?: () => number;
}

/** A command without an answer for this long means that the socket is dead. */
const ANSWER_LIMIT_MS = 10_000;
/** How long opening and authenticating may take. */
const OPEN_LIMIT_MS = 8_000;
/** Refusals of `authenticate` that pass by themselves; every other one ends the connection. */
const TRY_AGAIN = new Set(["rate_limited", "storage_failed", "internal_error", "too_many_connections"]);
/** Goodbyes after which the same seat is taken again. */
const COME_BACK = new Set<Goodbye["code"]>(["too_slow", "shutting_down"]);

interface Pending {
  resolve(answer: Answered): void;
  reject(error: CommandRefusedError): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Connection {
  #socket: WebSocket | null = null;
  #phase: ConnectionPhase = "connecting";
  #attempt = 0;
  #nextId = 1;
  #authenticateId = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #pending = new Map<number, Pending>();
  readonly #host: ConnectionHost;
  readonly #options: Required<ConnectionOptions>;

  constructor(host: ConnectionHost, options: ConnectionOptions) {
    this.#host = host;
    this.#options = { makeSocket: (url) => new WebSocket(url), random: Math.random, ...options };
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  start(): void {
    const socket = this.#options.makeSocket(this.#options.url);
    this.#socket = socket;
    this.#nextId = 1;
    this.#openTimer = setTimeout(() => socket === this.#socket && this.#lose(), OPEN_LIMIT_MS);
    socket.onopen = () => this.#authenticate(socket);
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(JSON.parse(String(event.data)) as ServerNotice);
    };
    socket.onclose = () => socket === this.#socket && this.#lose();
  }

  /** Send a command. Rejects with CommandRefusedError: the server's code, or `not_connected`, or `no_answer`. */
  send(message: Outgoing): Promise<Answered> {
    const socket = this.#socket;
    if (!socket || this.#phase !== "open") return Promise.reject(new CommandRefusedError("not_connected"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new CommandRefusedError("no_answer"));
        if (socket === this.#socket) this.#lose();
      }, ANSWER_LIMIT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Stop for good. Idempotent. */
  close(): void {
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#phase = "ended";
  }

  /** Try now instead of waiting for the next attempt (the network just came back). */
  retryNow(): void {
    if (this.#phase !== "restoring" || this.#socket) return;
    clearTimeout(this.#retryTimer);
    this.start();
  }

  #authenticate(socket: WebSocket): void {
    const id = this.#nextId++;
    this.#authenticateId = id;
    const resumeFrom = this.#host.lastSeq();
    const message: Authenticate = { type: "authenticate", id, token: this.#options.token, resume_from: resumeFrom };
    socket.send(JSON.stringify(message));
  }

  #receive(notice: ServerNotice): void {
    if (notice.type === "welcome") {
      clearTimeout(this.#openTimer);
      this.#attempt = 0;
      this.#enter("open", null);
      this.#host.onNotice(notice);
      this.#host.onOpen();
    } else if (notice.type === "ok" || notice.type === "link") {
      this.#settle(notice.id)?.resolve(notice);
    } else if (notice.type === "refused") {
      this.#refused(notice);
    } else if (notice.type === "goodbye") {
      this.#goodbye(notice);
    } else {
      this.#host.onNotice(notice);
    }
  }

  #refused(notice: Refused): void {
    if (notice.id === this.#authenticateId && this.#phase !== "open") {
      if (TRY_AGAIN.has(notice.code)) this.#lose();
      else this.#end(notice.code === "wrong_state" ? "hearing_over" : "session_unknown");
    } else if (notice.id !== null) {
      this.#settle(notice.id)?.reject(new CommandRefusedError(notice.code, notice.parameters));
    }
  }

  #goodbye(notice: Goodbye): void {
    if (COME_BACK.has(notice.code)) this.#lose();
    else this.#end(notice.code);
  }

  #end(reason: EndReason): void {
    this.#drop();
    this.#enter("ended", reason);
  }

  #lose(): void {
    this.#drop();
    if (this.#phase === "ended") return;
    this.#enter(this.#phase === "connecting" && this.#attempt < 2 ? "connecting" : "restoring", null);
    const delayMs = backoffMs(this.#attempt++, this.#options.random());
    this.#retryTimer = setTimeout(() => this.start(), delayMs);
  }

  #drop(): void {
    clearTimeout(this.#openTimer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new CommandRefusedError("not_connected"));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending) clearTimeout(pending.timer);
    this.#pending.delete(id);
    return pending;
  }

  #enter(phase: ConnectionPhase, reason: EndReason | null): void {
    this.#phase = phase;
    this.#host.onPhase(phase, reason);
  }
}
