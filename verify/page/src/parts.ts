// The parts that files are made of: decoding, and the check of each by itself.

import { equal, fromBase64, hex, join, utf8 } from './bytes'
import { fault } from './fault'
import { canonical, textAt, type Members, type Value } from './json'
import { hashOf, openCheckpoint, openNote, whole, type Checkpoint } from './note'
import { sha256 } from './sha256'
import { extended, included, leafHash, type Hash } from './tree'

export interface Notice { mediaType: string; language: string; text: string }
export interface Receipt { leaf: string; entry: Members; salt: string; proof: string; key: string; notice?: Notice; withdrawal?: string }
export interface Certificate { body: Members; note: string; key: string; receipt: Receipt }
export interface Extension { old: string; oldKey: string; new: string; proof: string[] }
export interface Leaf { kind: string; minute: bigint; commitment: Uint8Array }

/** Takes the members of an object by their exact names, and in the end refuses those nobody asked for. */
export class Fields {
  private readonly members: Members
  private readonly seen = new Set<string>()

  constructor(v: Value | undefined, private readonly path: string, type?: string) {
    if (!(v instanceof Map)) throw fault('malformed', `${path}: not a JSON object`)
    this.members = v
    if (type !== undefined && this.text('type') !== type) throw fault('malformed', `${path}: the type is not ${type}`)
  }

  has(name: string): boolean {
    return this.members.has(name)
  }

  take(name: string): Value {
    this.seen.add(name)
    const v = this.members.get(name)
    if (v === undefined) throw fault('malformed', `${this.path}: member "${name}" is missing`)
    return v
  }

  private wrong(name: string): never {
    throw fault('malformed', `${this.path}: member "${name}" is of the wrong type`)
  }

  text(name: string): string {
    const v = this.take(name)
    return typeof v === 'string' ? v : this.wrong(name)
  }

  object(name: string): Members {
    const v = this.take(name)
    return v instanceof Map ? v : this.wrong(name)
  }

  list(name: string): Value[] {
    const v = this.take(name)
    return Array.isArray(v) ? v : this.wrong(name)
  }

  texts(name: string): string[] {
    return this.list(name).map((v) => (typeof v === 'string' ? v : this.wrong(name)))
  }

  count(name: string): number {
    const v = this.take(name)
    return typeof v === 'number' && Number.isInteger(v) && v >= 0 ? v : this.wrong(name)
  }

  done(): void {
    if (this.seen.size !== this.members.size) throw fault('malformed', `${this.path}: there are members that this page does not know`)
  }
}

export function decodeNotice(v: Value): Notice {
  const f = new Fields(v, 'notice')
  const n = { mediaType: f.text('media_type'), language: f.text('language'), text: f.text('text') }
  f.done()
  return n
}

export function decodeReceipt(v: Value): Receipt {
  const f = new Fields(v, 'receipt', 'probity/receipt/v1')
  const r: Receipt = { leaf: f.text('leaf'), entry: f.object('entry'), salt: f.text('salt'), proof: f.text('proof'), key: f.text('verifier_key') }
  if (f.has('withdrawal_link')) {
    r.withdrawal = f.text('withdrawal_link')
    if (r.withdrawal === '') throw fault('malformed', 'receipt: member "withdrawal_link" is empty')
  }
  if (f.has('notice')) r.notice = decodeNotice(f.take('notice'))
  f.done()
  return r
}

export function decodeCertificate(v: Value): Certificate {
  const f = new Fields(v, 'certificate', 'probity/certificate/v1')
  const c = { body: f.object('body'), note: f.text('note'), key: f.text('verifier_key'), receipt: decodeReceipt(f.object('receipt')) }
  f.done()
  return c
}

export function decodeExtension(v: Value): Extension {
  const f = new Fields(v, 'consistency')
  const e = { old: f.text('old'), oldKey: f.has('old_key') ? f.text('old_key') : '', new: f.text('new'), proof: f.texts('proof') }
  f.done()
  return e
}

export function parseLeaf(line: string): Leaf {
  const bad = fault('malformed', 'leaf: not a line of a log')
  const [version, kind, minute, commitment, ...more] = line.split('|')
  if (version !== 'v1' || kind === undefined || minute === undefined || commitment === undefined || more.length > 0) throw bad
  const n = whole(minute)
  const hash = hashOf(commitment)
  if (!/^[a-z0-9.-]{1,40}$/.test(kind) || n === undefined || !hash) throw bad
  return { kind, minute: n, commitment: hash }
}

/** Tells whether entry and salt are what the leaf commits to. */
export function committed(leaf: Leaf, entry: Members, salt64: string): boolean {
  const salt = fromBase64(salt64)
  if (salt?.length !== 32) throw fault('malformed', 'salt: not 32 bytes of base64')
  return equal(sha256(join(utf8('probity/ledger/leaf/v1\0'), salt, utf8(canonical(entry)))), leaf.commitment)
}

export interface Proof { index: bigint; path: Hash[]; checkpoint: string }

function parseProof(text: string): Proof {
  const bad = fault('malformed', 'proof: not a proof of a log')
  const split = text.indexOf('\n\n')
  const lines = split < 0 ? [] : text.slice(0, split).split('\n')
  const checkpoint = split < 0 ? '' : text.slice(split + 2)
  const [header, position, ...hashes] = lines
  if (checkpoint === '' || header !== 'c2sp.org/tlog-proof@v1' || !position?.startsWith('index ') || hashes.length > 63) throw bad
  const index = whole(position.slice(6))
  if (index === undefined || index < 0n) throw bad
  const path = hashes.map((h) => hashOf(h) ?? (() => { throw bad })())
  return { index, path, checkpoint }
}

export function digest(text: string): string {
  return hex(sha256(utf8(text)))
}

export const noticeType = 'text/html; charset=utf-8'

export interface Proved { leaf: Leaf; index: bigint; at: Checkpoint; entry: Members; checkpoint: string }

/** Checks a receipt under a key: commitment, signature, place in the tree, notice. */
export async function checkReceipt(r: Receipt, key: string): Promise<Proved> {
  const leaf = parseLeaf(r.leaf)
  if (r.withdrawal !== undefined && (!leaf.kind.startsWith('consent.') || r.withdrawal.length > 2048 || !/^(https?:\/\/[\w\-:./[\]]+?)?\/privacy\/l\/[\w-]+$/.test(r.withdrawal))) {
    throw fault('malformed', 'withdrawal_link: not the address of a link that takes a consent back')
  }
  if (!committed(leaf, r.entry, r.salt)) throw fault('edited entry', 'the entry or its salt is not what the log committed to')
  const proof = parseProof(r.proof)
  const at = await openCheckpoint(proof.checkpoint, key)
  if (proof.index >= at.size) throw fault('bad proof', `entry ${proof.index} is beyond the ${at.size} entries of the checkpoint`)
  if (!included(proof.path, at.size, at.root, proof.index, leafHash(utf8(r.leaf)))) {
    throw fault('bad proof', 'the log entry is not part of the tree that the checkpoint states')
  }
  if (r.notice) {
    const cited = textAt(r.entry, 'notice', 'text_sha256')
    if (cited === '' || digest(r.notice.text) !== cited) throw fault('edited notice', 'the notice enclosed is not the text that the entry cites')
    if (textAt(r.entry, 'notice', 'language') !== r.notice.language) throw fault('edited notice', 'the notice enclosed is said to be in another language')
    if (r.notice.mediaType !== noticeType) throw fault('edited notice', 'the notice enclosed has another media type')
  }
  return { leaf, index: proof.index, at, entry: r.entry, checkpoint: proof.checkpoint }
}

export async function checkCertificate(c: Certificate, key: string): Promise<void> {
  const sum = digest(canonical(c.body))
  const { text } = await openNote(c.note, key)
  if (text !== `probity/certificate/v1\n${sum}\n`) throw fault('edited body', 'the body is not the one that was signed')
  await checkReceipt(c.receipt, key)
  if (textAt(c.receipt.entry, 'body_sha256') !== sum) throw fault('edited body', 'the log entry does not cite this body')
}

export async function checkExtension(e: Extension, key: string): Promise<[Checkpoint, Checkpoint]> {
  const older = await openCheckpoint(e.old, e.oldKey === '' ? key : e.oldKey)
  const newer = await openCheckpoint(e.new, key)
  if (newer.size < older.size) throw fault('malformed', 'the newer checkpoint is the smaller one')
  if (before(newer, older)) throw fault('split view', "the larger checkpoint claims to be older: the log's clock went backwards")
  if (newer.size === older.size) {
    if (!equal(newer.root, older.root)) throw fault('split view', `two checkpoints of ${older.size} entries state different roots; both are signed`)
    if (e.proof.length > 0) throw fault('bad proof', 'checkpoints of one size need no hashes between them')
    return [older, newer]
  }
  const path = e.proof.map((h) => hashOf(h) ?? (() => { throw fault('malformed', 'consistency proof: not a hash') })())
  if (older.size === 0n) {
    if (path.length > 0) throw fault('bad proof', 'nothing needs to be proved about an empty log')
  } else if (!extended(path, older.size, older.root, newer.size, newer.root)) {
    throw fault('split view', `the ${newer.size} entries of the newer checkpoint do not extend the ${older.size} of the older one as proved`)
  }
  return [older, newer]
}

/** Tells whether a was signed before b, so far as they say. A checkpoint without a time is older than all. */
export function before(a: Checkpoint, b: Checkpoint): boolean {
  const long = -(2n ** 62n)
  return (a.timed ? a.time : long) < (b.timed ? b.time : long)
}

export function contradict(a: Checkpoint, b: Checkpoint): boolean {
  if (a.size === b.size) return !equal(a.root, b.root)
  const [small, large] = a.size < b.size ? [a, b] : [b, a]
  return small.timed && large.timed && large.time < small.time
}

/** Digest and language of the text that an entry cites: what a person was shown, or what was published. */
export function citedNotice(kind: string, entry: Members): [string, string] {
  if (kind === 'notice.published') return [textAt(entry, 'text_sha256'), textAt(entry, 'language')]
  return [textAt(entry, 'notice', 'text_sha256'), textAt(entry, 'notice', 'language')]
}

/** Tells whether an entry is the operator's word for a choice made elsewhere. */
export function asserted(kind: string, entry: Members): boolean {
  return kind === 'consent.imported' || (kind.startsWith('consent.') && textAt(entry, 'proof_level') === 'assertion')
}
