// JSON after RFC 8259, read strictly and written canonically after RFC 8785. The browser's own parser
// would take a member that occurs twice, and half of a surrogate pair.

import { fault } from './fault'

export type Value = null | boolean | number | string | Value[] | Members
export type Members = Map<string, Value>

const maxDepth = 64

/** Parses one JSON text; throws a malformed fault for anything that could be read in two ways. */
export function parse(text: string): Value {
  let at = 0

  const fail = (what: string): never => {
    throw fault('malformed', `not JSON: character ${at}: ${what}`)
  }
  const space = () => {
    while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at++
  }

  const value = (depth: number): Value => {
    if (depth > maxDepth) fail(`nested deeper than ${maxDepth} levels`)
    space()
    const c = text.charAt(at)
    if (c === '{') return object(depth)
    if (c === '[') return array(depth)
    if (c === '"') return string()
    if (c === '-' || (c >= '0' && c <= '9')) return number()
    for (const [word, meaning] of [['true', true], ['false', false], ['null', null]] as const) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    return fail('a value is expected')
  }

  const object = (depth: number): Members => {
    const members: Members = new Map()
    at++
    space()
    if (text.charAt(at) === '}') {
      at++
      return members
    }
    for (;;) {
      space()
      if (text.charAt(at) !== '"') fail('the name of a member is expected')
      const name = string()
      space()
      if (text.charAt(at) !== ':') fail('a colon is expected')
      at++
      const item = value(depth + 1)
      if (members.has(name)) fail(`the member "${name}" occurs twice`)
      members.set(name, item)
      space()
      const c = text.charAt(at++)
      if (c === '}') return members
      if (c !== ',') fail('a comma or the end of the object is expected')
    }
  }

  const array = (depth: number): Value[] => {
    const items: Value[] = []
    at++
    space()
    if (text.charAt(at) === ']') {
      at++
      return items
    }
    for (;;) {
      items.push(value(depth + 1))
      space()
      const c = text.charAt(at++)
      if (c === ']') return items
      if (c !== ',') fail('a comma or the end of the array is expected')
    }
  }

  const number = (): number => {
    const form = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
    form.lastIndex = at
    const found = form.exec(text)
    if (!found) return fail('a number is malformed')
    at += found[0].length
    if (/[0-9.]/.test(text.charAt(at))) fail('a number is malformed')
    const n = Number(found[0])
    if (!Number.isFinite(n)) fail('a number is out of range')
    const whole = found[1] === undefined && found[2] === undefined
    const size = Math.abs(n)
    if (size > Number.MAX_SAFE_INTEGER && (whole || size < 1e21)) fail('an integer is beyond ±(2^53−1)')
    return n
  }

  const string = (): string => {
    at++
    let out = ''
    for (;;) {
      const c = text.charAt(at)
      if (c === '') fail('a string has no end')
      if (c === '"') {
        at++
        return out
      }
      if (c < ' ') fail('a control character must be escaped')
      at++
      out += c === '\\' ? escape() : c
    }
  }

  const escape = (): string => {
    const c = text.charAt(at++)
    const plain: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
    const meaning = plain[c]
    if (c !== '' && meaning !== undefined) return meaning
    if (c !== 'u') return fail('unknown escape')
    const unit = hex()
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit)
    if (unit > 0xdbff || !text.startsWith('\\u', at)) return fail('half of a surrogate pair stands alone')
    at += 2
    const low = hex()
    if (low < 0xdc00 || low > 0xdfff) return fail('half of a surrogate pair stands alone')
    return String.fromCharCode(unit, low)
  }

  const hex = (): number => {
    const digits = text.slice(at, at + 4)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) fail('four hexadecimal digits are expected')
    at += 4
    return parseInt(digits, 16)
  }

  const v = value(0)
  space()
  if (at < text.length) fail('there is something after the end of the value')
  return v
}

/** Writes a value in its one canonical spelling. ECMAScript's numbers and its order of strings, by
 * UTF-16 code units, are those of RFC 8785. */
export function canonical(v: Value): string {
  if (v === null || typeof v === 'boolean') return String(v)
  if (typeof v === 'number') return String(v === 0 ? 0 : v)
  if (typeof v === 'string') return quote(v)
  if (Array.isArray(v)) return `[${v.map(canonical).join(',')}]`
  const names = [...v.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${names.map((name) => `${quote(name)}:${canonical(v.get(name) ?? null)}`).join(',')}}`
}

const short: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function quote(s: string): string {
  return `"${s.replace(/["\\\u0000-\u001f]/g, (c) => short[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
}

/** The text at a path of member names, empty if there is none. */
export function textAt(v: Value | undefined, ...path: string[]): string {
  for (const name of path) {
    if (!(v instanceof Map)) return ''
    v = v.get(name)
  }
  return typeof v === 'string' ? v : ''
}
