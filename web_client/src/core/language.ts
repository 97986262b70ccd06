/** Texts of the pages in two languages. A key that is missing shows itself: the parity test keeps that from shipping. */
import en from "../locale/en.json";
import zh from "../locale/zh.json";

export type Language = "zh" | "en";
export type TextKey = keyof typeof en;
export type Parameters = Readonly<Record<string, string | number>>;

const TEXTS: Readonly<Record<Language, Readonly<Record<string, string>>>> = { en, zh };
const TAGS: Readonly<Record<Language, string>> = { en: "en", zh: "zh-CN" };
const KEY = "hearing.language";

export function preferredLanguage(kept: string | null, browser: string): Language {
  if (kept === "zh" || kept === "en") return kept;
  return browser.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let current: Language = "en";

/** Take this tab's language: the one it kept, else the browser's. */
export function startLanguage(): void {
  setLanguage(preferredLanguage(sessionStorage.getItem(KEY), navigator.language));
}

export function setLanguage(language: Language): void {
  current = language;
  sessionStorage.setItem(KEY, language);
  document.documentElement.lang = TAGS[language];
}

export function language(): Language {
  return current;
}

export function languageTag(one: Language): string {
  return TAGS[one];
}

export function hasText(key: string): key is TextKey {
  return Object.hasOwn(TEXTS[current], key);
}

/** Return the text of `key` with `{name}` replaced by `parameters.name`. */
export function t(key: TextKey, parameters: Parameters = {}): string {
  return fill(TEXTS[current][key] ?? key, parameters);
}

export function fill(text: string, parameters: Parameters): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}

/** The text for a code that came from the server: `prefix.code`, else the family's `prefix.other`, with the code. */
export function codeText(prefix: "reason" | "error", code: string, parameters: Parameters = {}): string {
  for (const key of [`${prefix}.${code}`, `reason.${code}`, `error.${code}`]) {
    if (hasText(key)) return t(key, parameters);
  }
  return t("error.other", { code });
}
