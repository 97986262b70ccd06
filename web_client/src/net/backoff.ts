/** How long to wait before the next attempt, in ms: doubling from 250 to 3000, plus up to a quarter of jitter. */
export function backoffMs(attempt: number, random: number): number {
  const base = Math.min(250 * 2 ** Math.min(attempt, 10), 3000);
  return Math.round(base * (1 + random / 4));
}
