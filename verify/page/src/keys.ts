// The keys of a log one after the other, each named by the one before it.

import { fault, within } from './fault'
import { parse } from './json'
import { checkKey, openNote, whole, type Checkpoint } from './note'
import { Fields } from './parts'

export const keysType = 'probity/keys/v1'
export const handoverType = 'probity/handover/v1'

export interface Handover { kind: string; old: string; new: string; until: bigint; from: bigint; time: bigint }

/** What one key of a checked list may have signed. */
export interface Period { key: string; from: bigint; until: bigint | undefined; handover: Handover | undefined }

const logOf = (key: string): string => key.split('+', 1)[0] ?? ''

/** Reads the statement of one key about its successor, and checks that both signed it. */
export async function openHandover(signed: string): Promise<Handover> {
  const bad = (why: string) => fault('malformed', `handover: ${why}`)
  const split = signed.indexOf('\n\n')
  const text = split < 0 ? '' : signed.slice(0, split + 1)
  const [type, kind, older, newer, ...numbers] = text.slice(0, -1).split('\n')
  if (type !== handoverType || kind === undefined || older === undefined || newer === undefined || numbers.length !== 3) {
    throw bad('not a statement of one key about its successor')
  }
  if (kind !== 'rotated' && kind !== 'bridged') throw bad(`the kind "${kind}" is not known to this page`)
  const [until, from, time] = numbers.map((s) => {
    const n = whole(s)
    if (n === undefined || n < 0n) throw bad('a number is not a plain one')
    return n
  })
  if (until === undefined || from === undefined || time === undefined) throw bad('numbers are missing')
  for (const key of [older, newer]) {
    if ((await openNote(signed, key)).text !== text) throw fault('bad signature', 'handover: the text is not the one that was signed')
  }
  if ((kind === 'rotated') !== (logOf(older) === logOf(newer)) || older === newer) throw bad(`${kind} from ${logOf(older)} to ${logOf(newer)} makes no sense`)
  if (kind === 'rotated' && from <= until) throw bad(`both keys would sign trees of ${until} entries`)
  return { kind, old: older, new: newer, until, from, time }
}

/** Checks the text of a key list and returns the period of each key, oldest first. */
export async function openKeys(text: string): Promise<Period[]> {
  const f = new Fields(parse(text), 'keys', keysType)
  const keys = f.list('keys').map((v) => {
    const k = new Fields(v, 'keys')
    const key = { key: k.text('verifier_key'), handover: k.has('handover') ? k.text('handover') : '' }
    k.done()
    return key
  })
  f.done()
  if (keys.length === 0) throw fault('malformed', 'the list holds no key')
  const periods: Period[] = []
  for (const [i, k] of keys.entries()) {
    checkKey(k.key)
    const last = periods[i - 1]
    if (!last) {
      if (k.handover !== '') throw fault('malformed', "the first key of the list can't have been handed over by another")
      periods.push({ key: k.key, from: 0n, until: undefined, handover: undefined })
      continue
    }
    const h = await within(`key ${i + 1}`, () => openHandover(k.handover))
    if (h.old !== last.key || h.new !== k.key) throw fault('other log', `key ${i + 1} of the list was handed over between other keys`)
    last.until = h.until
    periods.push({ key: k.key, from: h.from, until: undefined, handover: h })
  }
  return periods
}

/** Refuses a tree that the key may not have signed. A key that is in no list may sign any. */
export function inPeriod(periods: Period[], key: string, c: Checkpoint): void {
  const own = periods.filter((p) => p.key === key)
  if (own.length === 0 || own.some((p) => c.size >= p.from && (p.until === undefined || c.size <= p.until))) return
  throw fault('wrong period', `the key signed a tree of ${c.size} entries, outside the period in which it was the key of the log: ${key}`)
}

/** Says in words what was handed over: what is verified of it, and what is not. */
export function tellHandover(h: Handover): [string, string | undefined] {
  const day = new Date(Number(h.time) * 1000)
  const when = Number.isNaN(day.getTime()) ? `second ${h.time}` : day.toISOString().slice(0, 10)
  const lost = h.kind === 'bridged' ? h.until - h.from + 1n : 0n
  return [
    `On ${when} the key of the log was ${h.kind}: both keys signed that.`,
    lost > 0n ? `What ${lost} entries from number ${h.from - 1n} on say: the log was restored from an older copy then, and they are no longer part of it. Receipts for them still hold.` : undefined,
  ]
}
