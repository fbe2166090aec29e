const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

/** Reads UTF-8 strictly; undefined if it is none. A byte order mark is kept, and is then no JSON. */
export function fromUTF8(b: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b)
  } catch {
    return undefined
  }
}

/** Reads base64 in the one spelling that an encoder writes; undefined if it is another. */
export function fromBase64(s: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(s) || s.length % 4 !== 0) return undefined
  let binary: string
  try {
    binary = atob(s)
  } catch {
    return undefined
  }
  if (btoa(binary) !== s) return undefined
  return Uint8Array.from(binary, (c) => c.charCodeAt(0))
}

export function hex(b: Uint8Array): string {
  return Array.from(b, (n) => n.toString(16).padStart(2, '0')).join('')
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

export function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}
