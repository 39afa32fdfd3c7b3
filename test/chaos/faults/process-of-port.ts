import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Which of these processes has a connection from this port of this machine; null: none. */
export function processOfPort(port: number, pids: readonly number[]): number | null {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inode = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((fields) => fields[1]?.endsWith(`:${hex}`))?.[9];
  if (inode === undefined) return null;
  return pids.find((pid) => has(pid, `socket:[${inode}]`)) ?? null;
}

function has(pid: number, socket: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(`${folder}/${fd}`) === socket;
      } catch {
        return false; // Closed since.
      }
    });
  } catch {
    return false;
  }
}
