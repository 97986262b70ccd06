/** A WebSocket that goes nowhere: it keeps what was sent and says what the test tells it to. */
import type { ServerNotice } from "../src/net/messages.gen.ts";

export class FakeSocket {
  static made: FakeSocket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: { type: string; id: number; [key: string]: unknown }[] = [];
  isClosed = false;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  static get last(): FakeSocket {
    const last = FakeSocket.made.at(-1);
    if (!last) throw new Error("no socket was made");
    return last;
  }

  send(text: string): void {
    if (this.isClosed) throw new Error("the socket is closed");
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onclose?.();
  }

  /** The server accepts the connection and, unless told otherwise, the token. */
  open(isWelcome = true): void {
    this.onopen?.();
    if (isWelcome) {
      this.say({ type: "ok", id: this.sent[0]?.id ?? 0 });
      this.say({
        type: "welcome",
        hearing_id: "h",
        person_id: "p",
        seat_id: "s",
        role: "party",
        server_time: "2026-03-02T02:00:00Z",
      });
    }
  }

  say(notice: ServerNotice): void {
    this.onmessage?.({ data: JSON.stringify(notice) });
  }
}
