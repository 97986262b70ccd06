/** A phone's screen: its short side is under 600 px. */
export function isPhoneScreen(): boolean {
  return Math.min(screen.width, screen.height) < 600;
}
