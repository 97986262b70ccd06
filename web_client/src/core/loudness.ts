/** How loud a microphone hears, as bars and in words. */

export const BARS = 20;

/** Root mean square of samples (-1..1) as bars 0-20 over the range -60 to 0 dBFS. */
export function barsOf(rms: number): number {
  if (rms <= 0.001) return 0;
  return Math.min(BARS, Math.max(0, Math.round(((20 * Math.log10(rms) + 60) / 60) * BARS)));
}

export type Loudness = "silent" | "quiet" | "right" | "loud";

export function loudness(bars: number): Loudness {
  if (bars === 0) return "silent";
  if (bars < 6) return "quiet";
  return bars > 17 ? "loud" : "right";
}
