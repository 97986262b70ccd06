/** How a seat is called: its role in words, with the side where that says more. */
import type { Role, SeatView, Side } from "../net/messages.gen.ts";
import { hasText, t } from "./language.ts";

export function roleText(role: Role | string, side: Side | null = null): string {
  const withSide = `role.${role}.${side}`;
  if (side && hasText(withSide)) return t(withSide);
  const plain = `role.${role}`;
  return hasText(plain) ? t(plain) : role;
}

export function seatRoleText(seat: SeatView): string {
  return roleText(seat.role, seat.side);
}
