/** Decides who is marked as speaking, from audio levels (0-1 of full scale). */

/** About -34 dBFS: above a quiet room, below a calm voice. */
export const SPEAKING_LEVEL = 0.02;
/** Pauses between words do not end it. */
const HOLD_MS = 700;

export class SpeakingGate {
  #heardAtMs = new Map<string, number>();
  #speaking: ReadonlySet<string> = new Set();

  get speaking(): ReadonlySet<string> {
    return this.#speaking;
  }

  /** Take the levels of this moment. Returns true when the set of speakers has changed. */
  update(levels: ReadonlyMap<string, number>, atMs: number): boolean {
    for (const [seatId, level] of levels) {
      if (level >= SPEAKING_LEVEL) this.#heardAtMs.set(seatId, atMs);
    }
    for (const [seatId, heardAtMs] of this.#heardAtMs) {
      if (atMs - heardAtMs > HOLD_MS || !levels.has(seatId)) this.#heardAtMs.delete(seatId);
    }
    const now = new Set(this.#heardAtMs.keys());
    const isSame = now.size === this.#speaking.size && [...now].every((seatId) => this.#speaking.has(seatId));
    if (!isSame) this.#speaking = now;
    return !isSame;
  }
}
