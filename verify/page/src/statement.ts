import type { Members, Value } from './json'

/** One list of a statement. Without a head there is one column. */
export interface Table { heading: string; head: string[]; rows: string[][] }

/** What a certificate states, for people: see Statement in package verify, which says the same. */
export interface Statement { facts: [string, string][]; tables: Table[] }

/** Reads a certificate's body; undefined if it does not say what was asked. */
export function statement(body: Members): Statement | undefined {
  const type = text(body, 'type')
  if (type === '') return undefined
  const article = text(body, 'article')
  const facts: [string, string][] = [
    ['request', text(body, 'request')],
    ['what was asked', article === '' ? type : `${type}, ${article}`],
    ['organisation', text(body, 'organisation')],
    ['received', text(body, 'received_at')],
    ['completed', text(body, 'completed_at')],
    ['amended', text(body, 'amended_at')],
    ['data subjects found', number(body.get('data_subjects'))],
    ['read again', text(body, 'verification')],
    ['horizon of backups', text(body, 'backup_horizon')],
  ]
  const s: Statement = { facts: facts.filter(([, said]) => said !== ''), tables: stores(body) }
  const erased = type === 'erasure'
  const add = (always: boolean, heading: string, head: string[], rows: Value[], ...members: string[]) => {
    if (always || rows.length > 0) s.tables.push({ heading, head, rows: rows.map((r) => members.map((m) => cell(r, m))) })
  }
  const reasons = (heading: string, rows: Value[]) => {
    const both = (r: Value) => [cell(r, 'what'), cell(r, 'why')].filter((t) => t !== '').join('; ')
    s.tables.push({ heading, head: ['article', 'what and why'], rows: rows.map((r) => [cell(r, 'article'), both(r)]) })
  }
  const texts = (heading: string, items: Value[]) => {
    if (items.length > 0) s.tables.push({ heading, head: [], rows: items.map((v) => [typeof v === 'string' ? printable(v) : '']) })
  }
  reasons('Kept, and the article that allows it', list(body, 'kept'))
  reasons('Not performed', list(body, 'not_performed'))
  add(erased, 'Models trained anew', ['outcome', 'rows before', 'rows after'], list(body, 'models'), 'outcome', 'rows_before', 'rows_after')
  texts('Decisions', list(body, 'decisions'))
  add(false, 'Recipients who are told', ['way', 'who', 'what they said'], list(body, 'recipients'), 'way', 'name', 'outcome')
  add(false, 'Would have ended by itself, and was erased all the same', ['by', 'what'], list(body, 'would_have_expired'), 'by', 'what')
  const fields = ['table', 'field', 'what was done', 'rows']
  add(erased, 'Fields', fields, list(body, 'fields'), 'table', 'field', 'did', 'n')
  const d = body.get('databases')
  if (d instanceof Map) {
    add(true, "Fields of the organisation's databases", fields, list(d, 'fields'), 'collection', 'field', 'did', 'rows')
    add(false, 'Rows that belong to others too, and stay', ['rows', 'table'], list(d, 'kept'), 'rows', 'collection')
    add(false, 'Masked in another way than asked, for a constraint', ['table', 'field', 'asked', 'used'], list(d, 'substituted'), 'collection', 'field', 'asked', 'used')
    add(false, 'What no strategy could mask', ['table', 'field', 'why'], list(d, 'unmaskable'), 'collection', 'field', 'why')
    texts('Tables that no identifier leads to', list(d, 'unreachable'))
    const settled = text(d, 'stays_because')
    if (settled !== '') texts('Why what could not be masked stays', [settled])
  }
  return s
}

/** What was done in each store; what was counted in the database before and after has a list of its own. */
function stores(body: Members): Table[] {
  const done: string[][] = []
  const counted: [string, string, string][] = []
  for (const store of list(body, 'stores')) {
    const name = cell(store, 'store')
    const did = cell(store, 'did')
    const counts = store instanceof Map ? list(store, 'counts') : []
    if (name !== 'database') {
      if (counts.length === 0) done.push([name, did, '', ''])
      for (const c of counts) done.push([name, did, cell(c, 'what'), cell(c, 'n')])
      continue
    }
    for (const c of counts) {
      const what = cell(c, 'what')
      let row = counted.find(([table]) => table === what)
      if (!row) counted.push(row = [what, '', ''])
      row[did.endsWith('after') ? 2 : 1] = cell(c, 'n')
    }
  }
  const tables: Table[] = [{ heading: 'Stores', head: ['store', 'what was done', 'what', 'records'], rows: done }]
  if (counted.length > 0) tables.push({ heading: 'Rows of the person in the database', head: ['table', 'before', 'after'], rows: counted })
  return tables
}

function list(v: Members, name: string): Value[] {
  const items = v.get(name)
  return Array.isArray(items) ? items : []
}

function text(v: Members, name: string): string {
  const said = v.get(name)
  return typeof said === 'string' ? printable(said) : ''
}

function cell(v: Value, name: string): string {
  if (!(v instanceof Map)) return ''
  const said = v.get(name)
  return typeof said === 'string' ? printable(said) : number(said)
}

function number(v: Value | undefined): string {
  return typeof v === 'number' ? String(v) : ''
}

/** Takes out what could make a text look like another. */
function printable(said: string): string {
  return said.replace(/[\p{Cc}\p{Cf}]/gu, ' ')
}
