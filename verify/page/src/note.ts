// Signed notes (C2SP signed-note) and the checkpoints in them (C2SP tlog-checkpoint).

import { equal, fromBase64, join, utf8 } from './bytes'
import { fault, Unable } from './fault'
import { sha256 } from './sha256'
import type { Hash } from './tree'

export interface Checkpoint {
  origin: string
  size: bigint
  root: Hash
  time: bigint // seconds since 1970
  timed: boolean
}

interface Key {
  name: string
  hash: Uint8Array
  public: Uint8Array<ArrayBuffer>
}

function validName(name: string): boolean {
  return name !== '' && !/[+\s\u0085]/u.test(name)
}

/** Refuses what is not the verifier key of a log. */
export function checkKey(vkey: string): void {
  parseKey(vkey)
}

const logKey = 1 // Ed25519
const witnessKey = 4 // Ed25519 with a time

function parseKey(vkey: string, algorithm = logKey): Key {
  const bad = fault('bad key', 'the verifier key is malformed')
  const first = vkey.indexOf('+')
  const second = vkey.indexOf('+', first + 1)
  if (first < 0 || second < 0) throw bad
  const name = vkey.slice(0, first)
  const hash = vkey.slice(first + 1, second)
  const key = fromBase64(vkey.slice(second + 1))
  if (!validName(name) || !/^[0-9a-f]{8}$/.test(hash) || !key || key.length !== 33 || key[0] !== algorithm) throw bad
  const want = sha256(join(utf8(`${name}\n`), key)).slice(0, 4)
  if (!equal(want, Uint8Array.from(hash.match(/../g) ?? [], (h) => parseInt(h, 16)))) throw bad
  return { name, hash: want, public: key.slice(1) }
}

async function signed(key: Key, text: string, signature: Uint8Array<ArrayBuffer>): Promise<boolean> {
  if (signature.length !== 64) return false
  if (!globalThis.crypto?.subtle) throw new Unable('This browser lets this page check no signatures. Open the page from a file or over https.')
  let imported: CryptoKey
  try {
    imported = await crypto.subtle.importKey('raw', key.public, { name: 'Ed25519' }, false, ['verify'])
  } catch {
    throw new Unable('This browser has no Ed25519 signatures. Use a newer one, or the program "probity verify".')
  }
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, utf8(text))
}

type Check = (key: Key, text: string, signature: Uint8Array<ArrayBuffer>) => Promise<boolean>

interface Opened { text: string; name: string; signature: Uint8Array; spelled: boolean }

/** Opens a note under one key. Signatures by others are allowed, not checked. Undefined if there is none
 * by the key; one that doesn't hold is a fault. */
async function openUnder(note: string, key: Key, check: Check): Promise<Opened | undefined> {
  const bad = (why: string) => fault('bad signature', `the note is not signed by ${key.name}, or it was altered (${why})`)
  for (const c of note) if (c < ' ' && c !== '\n') throw bad('a control character')
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw bad('no signatures')
  const text = note.slice(0, split + 1)
  const lines = note.slice(split + 2)
  if (lines === '' || !lines.endsWith('\n')) throw bad('no signatures')
  let good: Uint8Array | undefined
  const spelled: boolean[] = []
  const list = lines.slice(0, -1).split('\n')
  if (list.length > 100) throw bad('too many signatures')
  for (const line of list) {
    if (!line.startsWith('— ')) throw bad('a signature line is malformed')
    const body = line.slice(2)
    const gap = body.indexOf(' ')
    const name = gap < 0 ? body : body.slice(0, gap)
    const base64 = gap < 0 ? '' : body.slice(gap + 1)
    const loose = decodeLoosely(base64)
    if (!loose || !validName(name) || base64 === '' || loose.length < 5) throw bad('a signature line is malformed')
    if (name === key.name && equal(loose.slice(0, 4), key.hash)) {
      if (good) continue // the same signer twice
      good = loose.slice(4)
      if (!(await check(key, text, loose.slice(4)))) throw bad('the signature does not hold')
    }
    spelled.push(fromBase64(base64) !== undefined)
  }
  return good && { text, name: key.name, signature: good, spelled: !spelled.includes(false) }
}

/** Opens a note under one key and returns its text. */
export async function openNote(note: string, vkey: string): Promise<{ text: string; name: string }> {
  const key = parseKey(vkey)
  const opened = await openUnder(note, key, signed)
  if (!opened) throw fault('bad signature', `the note is not signed by ${key.name}, or it was altered (there is no signature by this key)`)
  if (!opened.spelled) throw fault('bad signature', 'a signature of the note is not spelled as it was written')
  return opened
}

export interface Cosignature { name: string; time: bigint }

/** Returns what a witness signed below a checkpoint (C2SP tlog-cosignature), undefined if nothing. */
export async function cosignature(note: string, vkey: string): Promise<Cosignature | undefined> {
  const key = parseKey(vkey, witnessKey)
  const timed: Check = async (k, text, signature) => {
    if (signature.length !== 72) return false
    const at = timeIn(signature)
    return at < 2n ** 63n && signed(k, `cosignature/v1\ntime ${at}\n${text}`, signature.slice(8))
  }
  const opened = await openUnder(note, key, timed)
  return opened && { name: key.name, time: timeIn(opened.signature) }
}

function timeIn(signature: Uint8Array): bigint {
  return signature.slice(0, 8).reduce((n, b) => (n << 8n) | BigInt(b), 0n)
}

function decodeLoosely(s: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(s) || s.length % 4 !== 0) return undefined
  try {
    return Uint8Array.from(atob(s), (c) => c.charCodeAt(0))
  } catch {
    return undefined
  }
}

const largest = 2n ** 63n - 1n

/** Reads a whole number in its plain spelling; undefined if it is none, or beyond 64 bits. */
export function whole(s: string): bigint | undefined {
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(s)) return undefined
  const n = BigInt(s)
  return n > largest || n < -largest - 1n ? undefined : n
}

export function hashOf(s: string): Hash | undefined {
  const b = fromBase64(s)
  return b?.length === 32 ? b : undefined
}

function parseCheckpoint(text: string): Checkpoint | undefined {
  const lines = text.split('\n')
  const [origin, size, root] = lines
  if (lines.length < 4 || lines[lines.length - 1] !== '' || !origin || size === undefined || root === undefined) return undefined
  const n = whole(size)
  const hash = hashOf(root)
  if (n === undefined || n < 0n || n > BigInt(Number.MAX_SAFE_INTEGER) || !hash) return undefined
  const c: Checkpoint = { origin, size: n, root: hash, time: 0n, timed: false }
  for (const line of lines.slice(3, -1)) {
    if (line === '') return undefined
    if (!line.startsWith('time ')) continue
    const time = whole(line.slice(5))
    if (time === undefined || c.timed) return undefined
    c.time = time
    c.timed = true
  }
  return c
}

/** Checks a signed checkpoint with a key whose name must be the checkpoint's origin. */
export async function openCheckpoint(note: string, vkey: string): Promise<Checkpoint> {
  const { text, name } = await openNote(note, vkey)
  const c = parseCheckpoint(text)
  if (!c) throw fault('bad checkpoint', 'what is signed is no checkpoint')
  if (c.origin !== name) throw fault('other log', `the checkpoint of log "${c.origin}" is signed by "${name}"`)
  return c
}
