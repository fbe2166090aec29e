// Checks whole files, as package verify does in Go. Nothing is verified partially: one bad part fails
// the whole file.

import { equal, fromUTF8 } from './bytes'
import { fault, within } from './fault'
import { parse, textAt, type Value } from './json'
import { handoverType, inPeriod, keysType, openHandover, openKeys, tellHandover, type Period } from './keys'
import { cosignature, openCheckpoint, hashOf, type Checkpoint } from './note'
import {
  asserted, before, checkCertificate, checkExtension, checkReceipt, citedNotice, committed, contradict, decodeCertificate, decodeExtension,
  decodeNotice, decodeReceipt, digest, Fields, noticeType, parseLeaf, type Certificate, type Leaf, type Receipt,
} from './parts'
import { statement, type Statement } from './statement'
import { leafHash, peaksOf, Spine, type Hash } from './tree'

const maxFile = 64 << 20
const maxLine = 4 << 20
const excerptType = 'probity/excerpt/v1'

export interface Report {
  type: string
  log: string
  key: string
  trusted: boolean
  entries: { index: string; kind: string; time: string; entry: Value }[]
  kinds: Record<string, number>
  verified: string[]
  unverified: string[]
  statements: Statement[]
}

interface Person { kind: string; id: string; subject: string; prev: string; served: string; nonce: string; index: bigint }

/** What a reader knows by other means than the file. */
export interface Trust {
  keys: string[] // verifier keys of logs; the file's key must be one of them
  list: string // the text of a key list, or nothing: one of its keys must be among keys, then all count, each in its period
  witnesses: string[] // verifier keys of witnesses
  needed: number // so many of them must have signed each proof's checkpoint; 0: all
}

/** Checks a file of any type. With trusted keys the file's key must be one of them. Throws a Fault
 * that names what is wrong, or Unable if the browser can't tell. */
export async function check(file: Blob, given: Trust): Promise<Report> {
  const trusted: Known = { ...given, periods: [] }
  if (given.list !== '') {
    follow(trusted, await within('the list of keys', () => openKeys(given.list)))
  }
  const start = new Uint8Array(await file.slice(0, 9 + excerptType.length).arrayBuffer())
  if (fromUTF8(start) === `{"type":"${excerptType}`) return new Excerpt(trusted).read(file)
  if (file.size > maxFile) throw fault('malformed', `the file is larger than ${maxFile >> 20} MB`)
  const text = fromUTF8(new Uint8Array(await file.arrayBuffer()))
  if (text === undefined) throw fault('malformed', 'not JSON: the text is not valid UTF-8')
  if (text.startsWith(`${handoverType}\n`)) return new Checker(handoverType, trusted).handover(text)
  const v = parse(text)
  if (!(v instanceof Map)) throw fault('malformed', 'not a JSON object')
  const type = v.get('type')
  const checker = new Checker(typeof type === 'string' ? type : '', trusted)
  switch (type) {
    case 'probity/receipt/v1': {
      const r = decodeReceipt(v)
      return checker.finish(r.key, () => checker.receipt(r))
    }
    case 'probity/certificate/v1': {
      const c = decodeCertificate(v)
      return checker.finish(c.key, () => checker.certificate(c))
    }
    case 'probity/bundle/v1': {
      const f = new Fields(v, 'bundle', type)
      const key = f.text('verifier_key')
      const receipts = f.list('receipts').map(decodeReceipt)
      const certificates = f.list('certificates').map(decodeCertificate)
      const consistency = f.list('consistency').map(decodeExtension)
      f.done()
      return checker.finish(key, async () => {
        for (const [i, r] of receipts.entries()) await within(`receipt ${i + 1}`, () => checker.receipt(r))
        checker.chain()
        for (const [i, c] of certificates.entries()) await within(`certificate ${i + 1}`, () => checker.certificate(c))
        for (const [i, e] of consistency.entries()) {
          await within(`consistency proof ${i + 1}`, async () => {
            const [older, newer] = await checkExtension(e, key)
            checker.checkpoint(older)
            checker.checkpoint(newer)
            checker.earlier(e.oldKey, older, key)
            checker.allowed(key, newer)
            checker.grown.push([older.size, newer.size])
            checker.verified(`Between ${older.size} and ${newer.size} entries nothing earlier was changed, dropped or moved.`)
          })
        }
        if (receipts.length + certificates.length + consistency.length === 0) checker.unverified('Anything: the bundle is empty.')
        checker.oneTree()
      })
    }
    case 'probity/equivocation/v1': {
      const f = new Fields(v, 'evidence', type)
      const key = f.text('verifier_key')
      const notes = f.texts('checkpoints')
      f.done()
      return checker.finish(key, async () => {
        const [first, second] = notes
        if (notes.length !== 2 || first === undefined || second === undefined) throw fault('malformed', 'checkpoints: there must be two')
        const a = await openCheckpoint(first, key)
        const b = await openCheckpoint(second, key)
        if (!contradict(a, b)) throw fault('bad proof', "the two checkpoints don't contradict each other: they prove nothing against the log")
        checker.report.log = a.origin
        checker.verified(`Whoever holds the key of log ${a.origin} lied: it signed two histories that can't both be true. Both checkpoints carry its signature.`)
      })
    }
  }
  if (type === keysType) return checker.keychain(await openKeys(text))
  throw fault('malformed', `type "${String(type)}" is not known to this page`)
}

/** What is trusted, with the periods of a list that was followed. */
interface Known extends Trust { periods: Period[] }

function follow(trusted: Known, periods: Period[]): void {
  if (!periods.some((p) => trusted.keys.includes(p.key))) throw fault('wrong key', 'the list of keys does not name one that you trust')
  trusted.keys = [...trusted.keys, ...periods.map((p) => p.key)]
  trusted.periods = periods
}

class Checker {
  readonly report: Report
  private readonly roots = new Map<bigint, Hash>()
  /** Trees that are proved to be a beginning of a larger one, by their sizes. */
  readonly grown: [bigint, bigint][] = []
  private people: Person[] = []

  private readonly witnessed = new Set<bigint>()

  constructor(type: string, readonly trusted: Known) {
    this.report = { type, log: '', key: '', trusted: false, entries: [], kinds: {}, verified: [], unverified: [], statements: [] }
  }

  verified(s: string): void {
    this.report.verified.push(s)
  }

  unverified(s: string): void {
    this.report.unverified.push(s)
  }

  async finish(key: string, run: () => Promise<void>): Promise<Report> {
    const r = this.report
    r.key = key
    this.known(key)
    r.trusted = this.trusted.keys.length > 0
    await run()
    if (r.trusted) this.verified('The signing key is one that you trust.')
    else this.unverified(`Whose key it is: the key in the file was used. Compare it with the one that the organisation publishes: ${key}`)
    if (r.entries.length > 0 || r.type === excerptType) {
      this.unverified("When it really happened: the times are those of the operator's clock, which the log only keeps from going backwards.")
    }
    if (r.entries.some((e) => e.kind.startsWith('consent.'))) this.unverified("Who chose: a log can't tell a person from a script.")
    if (r.type === excerptType) this.unverified('That everything that happened was logged: an excerpt is complete as to the log, not as to the world.')
    this.unverified('That the log shows everybody the same entries: compare this checkpoint with one that somebody else keeps.')
    return r
  }

  /** Refuses a key that is not trusted. Any is, if none was given. */
  known(key: string): void {
    if (this.trusted.keys.length > 0 && !this.trusted.keys.includes(key)) throw fault('wrong key', 'the file names a key that you do not trust')
  }

  /** Refuses a tree that its key may not have signed. */
  allowed(key: string, c: Checkpoint): void {
    inPeriod(this.trusted.periods, key, c)
  }

  /** Looks at a checkpoint that later ones extend, which an earlier key of the log may have signed. */
  earlier(oldKey: string, c: Checkpoint, key: string): void {
    if (oldKey !== '') {
      this.known(oldKey)
      if (this.trusted.keys.length === 0) {
        this.unverified(`That the log's earlier key, which signed its first ${c.size} entries, was the operator's too: ${oldKey}`)
      }
    }
    this.allowed(oldKey === '' ? key : oldKey, c)
  }

  /** Looks at the checkpoint that a proof leads to: whether its key might sign it, and who witnessed it. */
  async proven(note: string, key: string, at: Checkpoint): Promise<void> {
    this.allowed(key, at)
    const { witnesses, needed } = this.trusted
    if (witnesses.length === 0) return
    const list = (await Promise.all(witnesses.map((w) => cosignature(note, w)))).filter((c) => c !== undefined)
    const enough = needed > 0 ? needed : witnesses.length
    if (list.length < enough) {
      throw fault('not witnessed', `a checkpoint is signed by ${list.length} of the ${witnesses.length} witnesses you know, and ${enough} are needed`)
    }
    if (this.witnessed.has(at.size)) return
    this.witnessed.add(at.size)
    for (const w of list) {
      const time = new Date(Number(w.time) * 1000)
      const when = Number.isNaN(time.getTime()) ? `second ${w.time}` : time.toISOString().slice(0, 16).replace('T', ' ') + ' UTC'
      this.verified(`Witness ${w.name}, which you know, saw the tree of ${at.size} entries as the largest of the log on ${when}.`)
    }
  }

  /** Reports a checked list of keys. */
  keychain(periods: Period[]): Report {
    const r = this.report
    if (this.trusted.keys.length > 0) {
      follow(this.trusted, periods)
      r.trusted = true
    }
    for (const [i, p] of periods.entries()) {
      r.key = p.key
      r.log = p.key.split('+', 1)[0] ?? ''
      if (p.until === undefined) this.verified(`Key ${i + 1} signs log ${r.log} from ${p.from} entries on.`)
      else this.verified(`Key ${i + 1} signed log ${r.log} from ${p.from} to ${p.until} entries.`)
      if (p.handover) this.told(tellHandover(p.handover))
    }
    this.owner(periods[0]?.key ?? '')
    this.unverified('That the list is the newest: a key may have been replaced since.')
    return r
  }

  /** Checks the statement of one key about its successor, a file of its own. */
  async handover(signed: string): Promise<Report> {
    const h = await openHandover(signed)
    const r = this.report
    if (this.trusted.keys.length > 0) {
      if (!this.trusted.keys.includes(h.old)) this.known(h.new)
      r.trusted = true
    }
    r.key = h.new
    r.log = h.new.split('+', 1)[0] ?? ''
    this.told(tellHandover(h))
    this.verified(`The old key signed trees of up to ${h.until} entries, the new one signs those of ${h.from} and more: ${h.new}`)
    this.owner(h.old)
    this.unverified('That the old key named no other successor: compare this statement with one that somebody else keeps.')
    return r
  }

  private told([known, lost]: [string, string | undefined]): void {
    this.verified(known)
    if (lost !== undefined) this.unverified(lost)
  }

  private owner(key: string): void {
    if (this.report.trusted) this.verified('One of the keys is one that you trust.')
    else this.unverified(`Whose keys they are: no key was given. Compare the first one with the one that the organisation publishes: ${key}`)
  }

  async receipt(r: Receipt): Promise<void> {
    if (r.key !== this.report.key) throw fault('other log', 'parts of the file name different keys')
    const { leaf, index, at, entry, checkpoint } = await checkReceipt(r, r.key)
    this.checkpoint(at)
    await this.proven(checkpoint, r.key, at)
    const time = timeOf(leaf)
    this.report.entries.push({ index: String(index), kind: leaf.kind, time, entry })
    this.verified(`Entry ${index} of log ${at.origin}, "${leaf.kind}" of ${time}, is unaltered and part of the log's first ${at.size} entries.`)
    if (asserted(leaf.kind, entry)) {
      this.unverified(`Whether entry ${index} was chosen: it is an assertion of the operator, brought in from elsewhere, and not first-hand.`)
    }
    if (leaf.kind.startsWith('consent.') || leaf.kind === 'notice.served') {
      this.people.push({
        kind: leaf.kind, id: textAt(entry, 'id'), subject: textAt(entry, 'subject'), prev: textAt(entry, 'prev_id'), served: textAt(entry, 'served', 'id'),
        nonce: leaf.kind === 'notice.served' ? textAt(entry, 'nonce') : textAt(entry, 'served', 'nonce'), index,
      })
    }
    if (r.withdrawal !== undefined) {
      this.unverified("Where the link to withdraw leads: it stands beside what is signed. Before you open it, see that the address is the organisation's. It can only take consent back.")
    }
    if (r.notice) this.verified(`The notice enclosed (${r.notice.language}) is the exact text that entry ${index} cites.`)
  }

  async certificate(c: Certificate): Promise<void> {
    if (c.key !== this.report.key) throw fault('other log', 'parts of the file name different keys')
    await checkCertificate(c, c.key)
    await this.receipt(c.receipt)
    this.verified('The certificate is signed, unaltered, and cited by that log entry.')
    const said = statement(c.body)
    if (said) this.report.statements.push(said)
  }

  /** Sees to it that all checkpoints are of one log and don't contradict. */
  checkpoint(c: Checkpoint): void {
    if (this.report.log === '') this.report.log = c.origin
    if (this.report.log !== c.origin) throw fault('other log', `parts of the file belong to "${this.report.log}" and to "${c.origin}"`)
    const root = this.roots.get(c.size)
    if (root && !equal(root, c.root)) throw fault('split view', `two checkpoints of ${c.size} entries state different roots; both are signed`)
    this.roots.set(c.size, c.root)
  }

  /** Sees to it that each tree that the file proves something of is proved to be a beginning of the largest. */
  oneTree(): void {
    const sizes = [...this.roots.keys()].sort((a, b) => (a < b ? -1 : 1))
    const largest = sizes.at(-1) ?? 0n
    const begins = new Set([0n, largest])
    for (const [from, to] of this.grown.sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0))) if (begins.has(to)) begins.add(from)
    const loose = sizes.find((n) => !begins.has(n))
    if (loose !== undefined) {
      throw fault('incomplete', `nothing enclosed proves that the tree of ${loose} entries is the beginning of the one of ${largest}: they may be two histories`)
    }
  }

  /** Sees to it that each person's entries follow each other as they say themselves. */
  chain(): void {
    const people = this.people.sort((a, b) => (a.index < b.index ? -1 : a.index > b.index ? 1 : 0))
      .filter((p, i, all) => all[i - 1]?.index !== p.index) // the same receipt twice says nothing new
    const byID = new Map(people.map((p) => [p.id, p]))
    const newest = new Map<string, Person>()
    let earlier = false
    let unserved = false
    for (const p of people) {
      if (p.kind === 'notice.served') continue
      if (p.served !== '') {
        const s = byID.get(p.served)
        if (!s) unserved = true
        else if (s.kind !== 'notice.served' || s.index >= p.index || s.nonce !== p.nonce) {
          throw fault('bad order', `entry ${p.index} cites a notice served that does not precede it`)
        } else this.verified(`The notice of entry ${p.index} was served before: entry ${s.index} says when.`)
      }
      if (p.subject === '') continue
      const last = newest.get(p.subject)
      if (last && last.id !== p.prev) throw fault('incomplete', `entry ${p.index} follows an entry of the same person that is not enclosed`)
      if (!last && p.prev !== '') earlier = true
      newest.set(p.subject, p)
    }
    if (earlier) this.unverified('What this person chose earlier: an entry names one before it that is not enclosed.')
    if (unserved) this.unverified('When the notice was served: the entry that says so is not enclosed.')
  }
}

function timeOf(leaf: Leaf): string {
  const date = new Date(Number(leaf.minute) * 60_000)
  return Number.isNaN(date.getTime()) ? `minute ${leaf.minute}` : date.toISOString().slice(0, 16).replace('T', ' ') + ' UTC'
}

/** A time of RFC 3339 in milliseconds; NaN if it is none. */
function instant(s: string): number {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(s) ? Date.parse(s) : NaN
}

/** Everything that a log holds between two checkpoints, read line by line. */
class Excerpt extends Checker {
  private spine = new Spine([], 0)
  private key = ''
  private to = ''
  private from = ''
  private first = 0
  private old: Checkpoint | undefined
  private minute: bigint | undefined
  private erased = 0
  private withheld = 0
  private claims = 0
  private outside = 0
  private ended = false
  private readonly notices = new Map<string, string>()
  private readonly cited = new Set<string>()
  private previous: Value | undefined

  constructor(trusted: Known) {
    super(excerptType, trusted)
  }

  async read(file: Blob): Promise<Report> {
    const lines = linesOf(file)
    const first = await lines.next()
    const f = new Fields(await within('line 1', () => parse(first.done ? '' : first.value)), 'line 1', excerptType)
    this.key = f.text('verifier_key')
    this.from = f.text('from')
    this.to = f.text('to')
    f.text('site')
    this.first = f.count('first')
    const spine = f.texts('spine')
    const was = f.take('old')
    let old: [string, string] | undefined
    if (was !== null) {
      const o = new Fields(was, 'old')
      old = [o.text('checkpoint'), o.text('verifier_key')]
      o.done()
    }
    f.done()
    return this.finish(this.key, async () => {
      await this.begin(spine, old)
      let number = 1
      for await (const line of lines) {
        number++
        if (this.ended) throw fault('malformed', 'there is something after the last line')
        await within(`line ${number}`, () => this.line(parse(line)))
      }
      if (!this.ended) throw fault('incomplete', `the file ends after entry ${this.spine.size - 1}, without its last line`)
      this.tell()
    })
  }

  private async begin(spine: string[], old: [string, string] | undefined): Promise<void> {
    const from = instant(this.from)
    if (Number.isNaN(from)) throw fault('malformed', 'from: not a time of RFC 3339')
    if (!(instant(this.to) >= from)) throw fault('malformed', 'to: not a time of RFC 3339 after that of from')
    if (spine.length !== peaksOf(this.first)) throw fault('malformed', `spine: ${spine.length} hashes can't stand for ${this.first} entries`)
    const peaks = spine.map((s) => hashOf(s) ?? (() => { throw fault('malformed', 'spine: not a hash') })())
    this.spine = new Spine(peaks, this.first)
    if (this.first === 0) {
      if (old) throw fault('malformed', 'old: an excerpt from the first entry on needs no earlier checkpoint')
      return
    }
    if (!old) throw fault('malformed', 'old: missing')
    const [note, key] = old
    this.known(key)
    this.old = await openCheckpoint(note, key)
    this.checkpoint(this.old)
    this.allowed(key, this.old)
    if (this.old.size !== BigInt(this.first)) throw fault('incomplete', 'the excerpt does not begin where the checkpoint before it ends')
    if (!equal(this.old.root, this.spine.root())) throw fault('split view', 'what the log held before the excerpt is not what the checkpoint states')
    if (this.old.timed && Number(this.old.time) * 1000 > from) {
      throw fault('incomplete', 'the checkpoint before the excerpt was signed after the period began: entries of the period may be missing')
    }
    if (key !== this.key) this.unverified(`That the log's earlier key, under which the excerpt begins, was the operator's too: ${key}`)
  }

  private async line(v: Value): Promise<void> {
    const f = new Fields(v, 'line')
    if (f.has('receipt')) {
      const r = decodeReceipt(f.object('receipt'))
      f.done()
      if (r.key !== this.key) throw fault('other log', 'parts of the file name different keys')
      const { at, checkpoint } = await checkReceipt(r, r.key)
      await this.proven(checkpoint, r.key, at)
      this.outside++
      this.checkpoint(at)
    } else if (f.has('notice')) {
      const n = decodeNotice(f.object('notice'))
      f.done()
      if (n.mediaType !== noticeType) throw fault('edited notice', 'the notice has another media type')
      this.notices.set(digest(n.text), n.language)
    } else if (f.has('leaf')) {
      this.entry(f)
    } else if (f.has('end')) {
      const end = f.object('end')
      f.done()
      await this.end(new Fields(end, 'end'))
      this.ended = true
    } else {
      throw fault('malformed', 'the line is none of receipt, notice, leaf and end')
    }
  }

  private entry(f: Fields): void {
    const text = f.text('leaf')
    if (f.has('state')) {
      const state = f.text('state')
      f.done()
      this.take(text)
      this.previous = undefined
      if (state === 'erased') this.erased++
      else if (state === 'withheld') this.withheld++
      else throw fault('malformed', `state: "${state}" is neither erased nor withheld`)
      return
    }
    const entry = f.object('entry')
    const salt = f.text('salt')
    f.done()
    if (salt.length !== 44) throw fault('malformed', 'salt: not 32 bytes of base64')
    const index = this.spine.size
    const leaf = this.take(text)
    if (!committed(leaf, entry, salt)) throw fault('edited entry', `entry ${index} or its salt is not what the log committed to`)
    const [sum, language] = citedNotice(leaf.kind, entry)
    if (sum !== '') {
      const enclosed = this.notices.get(sum)
      if (enclosed === undefined) throw fault('edited notice', `the text that entry ${index} cites is not enclosed before it`)
      if (enclosed !== language) throw fault('edited notice', `the text that entry ${index} cites is said to be in another language`)
      this.cited.add(sum)
    }
    const served = textAt(entry, 'served', 'id')
    if (served !== '' && this.previous !== undefined &&
        (textAt(this.previous, 'id') !== served || textAt(this.previous, 'nonce') !== textAt(entry, 'served', 'nonce'))) {
      throw fault('bad order', `entry ${index} cites a notice served that is not the entry before it`)
    }
    if (asserted(leaf.kind, entry)) this.claims++
    this.previous = entry
  }

  private take(text: string): Leaf {
    const leaf = parseLeaf(text)
    if (this.minute !== undefined ? leaf.minute < this.minute : leaf.minute < 0n) {
      throw fault('bad order', `entry ${this.spine.size} is dated before the one that precedes it`)
    }
    this.minute = leaf.minute
    this.spine.add(leafHash(new TextEncoder().encode(text)))
    this.report.kinds[leaf.kind] = (this.report.kinds[leaf.kind] ?? 0) + 1
    return leaf
  }

  private async end(f: Fields): Promise<void> {
    const [entries, erased, withheld] = [f.count('entries'), f.count('erased'), f.count('withheld')]
    const kinds = f.object('kinds')
    const note = f.text('checkpoint')
    f.done()
    const k = new Fields(kinds, 'kinds')
    const stated = new Map([...kinds.keys()].map((name) => [name, k.count(name)]))
    const at = await openCheckpoint(note, this.key)
    this.checkpoint(at)
    await this.proven(note, this.key, at)
    if (at.size !== BigInt(this.spine.size)) throw fault('incomplete', `the excerpt ends before entry ${this.spine.size}, its last checkpoint states ${at.size} entries`)
    if (!equal(at.root, this.spine.root())) {
      throw fault('incomplete', "the entries don't give the tree that the last checkpoint states: one was left out, added, changed or moved")
    }
    if (this.old && before(at, this.old)) throw fault('split view', "the larger checkpoint claims to be older: the log's clock went backwards")
    const counted = Object.entries(this.report.kinds)
    if (entries !== this.spine.size - this.first || erased !== this.erased || withheld !== this.withheld || stated.size !== counted.length ||
        counted.some(([name, n]) => stated.get(name) !== n)) {
      throw fault('incomplete', 'the counts in the last line are not those of the entries')
    }
    for (const sum of this.notices.keys()) {
      if (!this.cited.has(sum)) throw fault('edited notice', 'a text is enclosed that no entry of the excerpt cites')
    }
    const signed = Number(at.time) * 1000
    const short = !at.timed || signed < instant(this.to)
    const until = short ? new Date(signed).toISOString() : this.to
    this.verified(`Every entry of log ${at.origin} from ${this.from} to ${until} is listed: ${entries} entries, the first is number ${this.first}. ` +
      `They give the tree that the checkpoint of ${at.size} entries states.`)
    if (short) this.unverified(`What was logged after ${until}: the last checkpoint was signed then, before the end of the period asked for.`)
  }

  private tell(): void {
    const kinds = Object.entries(this.report.kinds).sort(([a], [b]) => (a < b ? -1 : 1))
    const total = kinds.reduce((n, [, count]) => n + count, 0)
    if (kinds.length > 0) this.verified(`Counted again by kind: ${kinds.map(([name, n]) => `${name} ${n}`).join(', ')}.`)
    const shown = total - this.erased - this.withheld
    if (shown > 0) this.verified(`The content of ${shown} entries is enclosed and unaltered.`)
    if (this.cited.size > 0) this.verified(`Each notice that they cite is enclosed, ${this.cited.size} in all, as the exact text that was published.`)
    if (this.outside > 0) this.verified(`${this.outside} entries before the period are proved beside it.`)
    if (this.erased > 0) this.unverified(`What ${this.erased} erased entries said: nobody can show their content any more.`)
    if (this.withheld > 0) this.unverified(`What ${this.withheld} entries say whose content was not asked for; their kinds are counted above.`)
    if (this.claims > 0) {
      this.unverified(`Whether ${this.claims} choices were made: they are assertions of the operator, brought in from elsewhere, and not first-hand.`)
    }
  }
}

/** The lines of a file, which is read in pieces. */
async function* linesOf(file: Blob): AsyncGenerator<string, void> {
  const text = (b: Uint8Array): string => {
    const s = fromUTF8(b)
    if (s === undefined) throw fault('malformed', 'a line is not valid UTF-8')
    return s
  }
  let rest = new Uint8Array()
  for (let at = 0; at < file.size;) {
    const piece = new Uint8Array(await file.slice(at, at + (1 << 20)).arrayBuffer())
    at += piece.length
    const all = new Uint8Array(rest.length + piece.length)
    all.set(rest)
    all.set(piece, rest.length)
    let from = 0
    for (let end = all.indexOf(10, from); end >= 0; end = all.indexOf(10, from)) {
      if (end - from > maxLine) throw fault('malformed', `a line is longer than ${maxLine >> 20} MB`)
      yield text(all.subarray(from, end))
      from = end + 1
    }
    rest = all.slice(from)
    if (rest.length > maxLine) throw fault('malformed', `a line is longer than ${maxLine >> 20} MB`)
  }
  if (rest.length > 0) yield text(rest)
}
