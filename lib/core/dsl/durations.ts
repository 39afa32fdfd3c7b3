/** A duration: whole milliseconds, or a whole number with a unit, such as `30s`, `2h` or `7d`. */
export type Duration = number | string;

const UNITS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** At most nine digits, so that no product leaves the safe integers. */
export const DURATION_PATTERN = '^[1-9][0-9]{0,8}(?:ms|s|m|h|d)$';
const DURATION = new RegExp(DURATION_PATTERN, 'u');

/** Milliseconds of a duration; null when it is none. */
export function durationMs(duration: unknown): number | null {
  if (typeof duration === 'number') return Number.isSafeInteger(duration) ? duration : null;
  if (typeof duration !== 'string' || !DURATION.test(duration)) return null;
  const unit = duration.endsWith('ms') ? 'ms' : duration.slice(-1);
  return Number(duration.slice(0, -unit.length)) * (UNITS[unit] ?? 1);
}

/** The shortest exact text of a number of milliseconds: `90s`, `2h`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNITS[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:[Zz]|[+-](\d{2}):(\d{2}))$/u;

/** Whether a text is an instant of RFC 3339 that exists in the calendar. */
export function isInstant(text: string): boolean {
  const match = INSTANT.exec(text);
  if (match === null) return false;
  const [year, month, day, hour, minute, second, zoneHour, zoneMinute] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (year === undefined || month === undefined || day === undefined) return false;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return (
    days !== undefined &&
    day >= 1 &&
    day <= days &&
    (hour ?? 0) <= 23 &&
    (minute ?? 0) <= 59 &&
    (second ?? 0) <= 59 &&
    (zoneHour ?? 0) <= 23 &&
    (zoneMinute ?? 0) <= 59
  );
}
