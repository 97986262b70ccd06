/** Line icons on a 24 px grid. They say nothing by themselves: a word stands beside each, or a label names it. */
import { html, svg, type TemplateResult } from "lit";

const SHAPES = {
  absent: svg`<circle cx="12" cy="8" r="4" stroke-dasharray="3 2.5"/><path d="M4 21a8 8 0 0 1 16 0" stroke-dasharray="3 2.5"/>`,
  alert: svg`<path d="M12 3 2 20h20L12 3ZM12 10v4.5M12 17.300v.2"/>`,
  back: svg`<path d="M9 6 4 11l5 5M4 11h10a6 6 0 0 1 6 6v2"/>`,
  broken: svg`<path d="M3 12h6M15 12h6M10 8l1 3M14 8l-1 3M10 16l1-2M14 16l-1-2"/>`,
  cam: svg`<rect x="3" y="6" width="12" height="12" rx="1"/><path d="m15 11 6-3v8l-6-3"/>`,
  "cam-off": svg`<path d="M7 6h8v6m0 3.5v2.5H3V6m12 5 6-3v8l-3-1.5M4 3l17 18"/>`,
  check: svg`<path d="m4 12.5 5 5L20 6.5"/>`,
  "check-circle": svg`<circle cx="12" cy="12" r="9"/><path d="m8 12.5 3 3 5.5-6.5"/>`,
  clock: svg`<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>`,
  dots: svg`<path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="3"/>`,
  enter: svg`<path d="M13 4h7v16h-7M3 12h11M10 8l4 4-4 4"/>`,
  eye: svg`<path d="M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12Z"/><circle cx="12" cy="12" r="3"/>`,
  globe: svg`<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3 3 3.5 6 3.5 9S15 18 12 21c-3-3-3.5-6-3.5-9S9 6 12 3Z"/>`,
  info: svg`<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.5v.2"/>`,
  leave: svg`<path d="M11 4H4v16h7M9 12h12M17 8l4 4-4 4"/>`,
  live: svg`<circle cx="12" cy="12" r="6" fill="currentColor"/>`,
  lock: svg`<rect x="5" y="11" width="14" height="10" rx="1"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`,
  mic: svg`<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>`,
  "mic-off": svg`<path d="M9 9v2a3 3 0 0 0 5 2.2M15 10V6a3 3 0 0 0-5.7-1.3M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.8M12 18v3M4 4l16 16"/>`,
  pause: svg`<path d="M8 5v14M16 5v14"/>`,
  play: svg`<path d="M7 4.5v15l12-7.5-12-7.5Z"/>`,
  record: svg`<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="5" fill="currentColor"/>`,
  "signal-weak": svg`<path d="M4 20v-4M10 20v-8"/><path d="M16 20V8M21 20V4" opacity=".3"/>`,
  speaker: svg`<path d="M4 9v6h4l5 4V5L8 9H4ZM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11"/>`,
  stand: svg`<path d="M5 21V10h14v11M3 10h18M12 10V6M10 4.5h4"/>`,
  stop: svg`<rect x="5" y="5" width="14" height="14" rx="1"/>`,
  theme: svg`<circle cx="12" cy="12" r="9"/><path d="M12 3v18a9 9 0 0 0 0-18Z" fill="currentColor"/>`,
  user: svg`<circle cx="12" cy="8" r="4"/><path d="M4 21a8 8 0 0 1 16 0"/>`,
  users: svg`<circle cx="9" cy="8" r="3.5"/><path d="M2 20a7 7 0 0 1 14 0M16 4.800a3.5 3.5 0 0 1 0 6.400M18 14a7 7 0 0 1 4 6"/>`,
  x: svg`<path d="M5 5l14 14M19 5 5 19"/>`,
  "x-circle": svg`<circle cx="12" cy="12" r="9"/><path d="m9 9 6 6M15 9l-6 6"/>`,
  doc: svg`<path d="M6 3h8l4 4v14H6V3Zm8 0v4h4M9 12h6M9 16h6"/>`,
  chat: svg`<path d="M4 4h16v12H10l-5 4v-4H4V4Z"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1.5 1.5M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1.5-1.5"/>`,
};

export type IconName = keyof typeof SHAPES;

export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" aria-hidden="true" viewBox="0 0 24 24">${SHAPES[name]}</svg>`;
}

/** The place where the court puts its emblem; a drawing of the national emblem is the court's to add. */
export function emblem(label: string): TemplateResult {
  return html`<div class="emblem" role="img" aria-label=${label}>
    <svg viewBox="0 0 64 64" aria-hidden="true">
      <circle cx="32" cy="32" r="30" fill="var(--ink)" stroke="var(--brass)" stroke-width="2" />
      <circle cx="32" cy="32" r="25" fill="none" stroke="var(--brass)" stroke-width="1" />
      <path
        d="M17 45h30M20 41h24M22 41V27M28.6 41V27M35.4 41V27M42 41V27M19 27h26L32 17 19 27Z"
        fill="none"
        stroke="var(--brass)"
        stroke-width="2"
        stroke-linejoin="round"
        stroke-linecap="round"
      />
    </svg>
  </div>`;
}

/** A person without a picture. */
export function silhouette(): TemplateResult {
  return html`<svg class="picture" viewBox="0 0 160 90" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
    <path d="M0 0h160v90H0z" class="figure-bg" />
    <g transform="translate(0 -9)">
      <path d="M36 140v-28c0-28 18-42 44-42s44 14 44 42v28Z" class="figure-1" />
      <path d="M72 56h16v14c-4 5-12 5-16 0Z" class="figure-1" />
      <ellipse cx="80" cy="43" rx="17" ry="21" class="figure-1" />
    </g>
  </svg>`;
}
