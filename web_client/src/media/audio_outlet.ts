/** Plays the sound of every seat through one hidden <audio> element each; pictures stay silent. */
export class AudioOutlet {
  #elements = new Map<string, HTMLAudioElement>();
  #blocked = new Set<string>();
  #hasListener = false;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The browser refuses to play before the person has touched the page. */
  get isBlocked(): boolean {
    return this.#blocked.size > 0;
  }

  /** Play exactly these: seat_id -> stream. */
  show(streams: ReadonlyMap<string, MediaStream>): void {
    for (const seatId of [...this.#elements.keys()]) {
      if (!streams.has(seatId)) this.#remove(seatId);
    }
    for (const [seatId, stream] of streams) {
      let element = this.#elements.get(seatId);
      if (!element) {
        element = document.createElement("audio");
        element.hidden = true;
        element.autoplay = true;
        element.dataset.seat = seatId;
        document.body.append(element);
        this.#elements.set(seatId, element);
      }
      if (element.srcObject !== stream) {
        element.srcObject = stream;
        void this.#play(seatId, element);
      }
    }
  }

  /** Try again; call it from a click or a key. */
  retry = (): void => {
    for (const seatId of [...this.#blocked]) {
      const element = this.#elements.get(seatId);
      if (element) void this.#play(seatId, element);
      else this.#blocked.delete(seatId);
    }
  };

  /** Idempotent. */
  close(): void {
    for (const seatId of [...this.#elements.keys()]) this.#remove(seatId);
  }

  async #play(seatId: string, element: HTMLAudioElement): Promise<void> {
    const wasBlocked = this.isBlocked;
    try {
      await element.play();
      this.#blocked.delete(seatId);
    } catch (error) {
      // AbortError: a newer stream took the element's place.
      if ((error as DOMException).name === "NotAllowedError") this.#blocked.add(seatId);
    }
    this.#listen();
    if (wasBlocked !== this.isBlocked) this.#onChange();
  }

  #listen(): void {
    if (this.#hasListener === this.isBlocked) return;
    this.#hasListener = this.isBlocked;
    const change = this.isBlocked ? document.addEventListener : document.removeEventListener;
    for (const kind of ["pointerdown", "keydown"]) change.call(document, kind, this.retry);
  }

  #remove(seatId: string): void {
    const element = this.#elements.get(seatId);
    if (element) {
      element.srcObject = null;
      element.remove();
    }
    this.#elements.delete(seatId);
    this.#blocked.delete(seatId);
  }
}
