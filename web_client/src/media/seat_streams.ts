/** Which stream belongs to which seat: joins the tracks of the downlink with the labels that the server sends. */
import type { StreamKind, StreamLabel, Streams } from "../net/messages.gen.ts";

/** A seat's stream of one kind. The same object as long as it carries the same track, so that a picture never blinks. */
interface SeatStream {
  track: MediaStreamTrack;
  stream: MediaStream;
}

export interface SeatMedia {
  audio: MediaStream | null;
  video: MediaStream | null;
}

export class SeatStreams {
  /** Labels may come before the offer that carries their sections, or after it. */
  #latest: Streams | null = null;
  #epoch = 0;
  #tracks = new Map<string, MediaStreamTrack>();
  #seats = new Map<string, SeatStream>();
  readonly #makeStream: (track: MediaStreamTrack) => MediaStream;

  constructor(makeStream: (track: MediaStreamTrack) => MediaStream = (track) => new MediaStream([track])) {
    this.#makeStream = makeStream;
  }

  /** The downlink of `epoch` has these receiving sections: mid -> track. */
  setTracks(epoch: number, tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    this.#epoch = epoch;
    this.#tracks = new Map(tracks);
    this.#join();
  }

  setLabels(streams: Streams): void {
    if (this.#latest && streams.epoch < this.#latest.epoch) return;
    this.#latest = streams;
    this.#join();
  }

  /** Nobody is seen or heard, and epochs count from the beginning again. */
  clear(): void {
    this.#latest = null;
    this.#epoch = 0;
    this.#tracks = new Map();
    this.#seats = new Map();
  }

  of(seatId: string, kind: StreamKind): MediaStream | null {
    return this.#seats.get(`${kind}:${seatId}`)?.stream ?? null;
  }

  /** The seats that have sound now, with their streams. */
  audible(): ReadonlyMap<string, MediaStream> {
    const found = new Map<string, MediaStream>();
    for (const [key, { stream }] of this.#seats) {
      if (key.startsWith("audio:")) found.set(key.slice("audio:".length), stream);
    }
    return found;
  }

  /** The labels in use: empty until the labels and the tracks are of the same epoch. */
  labels(): readonly StreamLabel[] {
    return this.#latest && this.#latest.epoch === this.#epoch ? this.#latest.streams : [];
  }

  #join(): void {
    const joined = new Map<string, SeatStream>();
    for (const label of this.labels()) {
      const track = this.#tracks.get(label.mid);
      if (!track) continue;
      const key = `${label.kind}:${label.seat_id}`;
      const kept = this.#seats.get(key);
      joined.set(key, kept?.track === track ? kept : { track, stream: this.#makeStream(track) });
    }
    this.#seats = joined;
  }
}
