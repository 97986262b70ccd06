/** Light or dark: the system's choice until this tab makes its own. */
const KEY = "hearing.theme";

export function startTheme(): void {
  const kept = sessionStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}

export function toggleTheme(): void {
  const root = document.documentElement;
  const next = getComputedStyle(root).colorScheme === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  sessionStorage.setItem(KEY, next);
}
