package datamap

import (
	"strings"
	"testing"

	"probity/internal/fail"
)

const clubSchema = `
CREATE TABLE members (id INTEGER PRIMARY KEY, email VARCHAR(100), restricted BOOLEAN);
CREATE TABLE visits (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members(id), status VARCHAR(20) NOT NULL CHECK (status IN ('open', 'blocked', 'closed')));
CREATE TABLE lockers (number INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members(id));
CREATE TABLE chats (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members(id), friend_id INTEGER REFERENCES members(id), hidden INTEGER NOT NULL);
CREATE TABLE notes (member_id INTEGER REFERENCES members(id), body VARCHAR(40), held CHAR(3));
CREATE TABLE audits (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members(id));
INSERT INTO members VALUES (1, 'ann@example.com', FALSE), (2, 'bob@example.com', NULL);
INSERT INTO visits VALUES (10, 1, 'open'), (11, 1, 'blocked'), (12, 2, 'open');
INSERT INTO lockers VALUES (5, 1), (6, 2);
INSERT INTO chats VALUES (20, 1, NULL, 0), (21, 1, 2, 0), (22, 2, NULL, 0);
INSERT INTO notes VALUES (1, 'likes tea', NULL), (1, 'late', 'yes'), (2, 'tall', NULL);
INSERT INTO audits VALUES (30, 1), (31, 2);
`

const clubMap = `
dataset:
- fides_key: club
  collections:
  - name: members
    probity_meta: {restriction: {column: restricted}}
    fields:
    - {name: id, data_categories: [user.unique_id], fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
  - name: visits
    probity_meta: {restriction: {column: status, set: blocked, lift: open}}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: member_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
  - name: lockers
    probity_meta: {restriction: {with: members}}
    fields:
    - {name: number, fides_meta: {primary_key: true}}
    - {name: member_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
  - name: chats
    probity_meta: {restriction: {column: hidden}}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: member_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
    - {name: friend_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
  - name: notes
    probity_meta: {restriction: {column: held, set: yes, lift: null}}
    fields:
    - {name: member_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
    - {name: body, data_categories: [user.content]}
  - name: audits
    probity_meta: {restriction: task}
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: member_id, data_categories: [user.unique_id], fides_meta: {references: [{dataset: club, field: members.id, direction: from}]}}
`

// clubRows shows everything that a restriction can touch.
func clubRows(t *testing.T, d *database) string {
	return d.table(t, "SELECT CONCAT('m', id, CASE WHEN restricted THEN ' yes' WHEN restricted IS NULL THEN ' -' ELSE ' no' END) FROM members ORDER BY id") +
		d.table(t, "SELECT CONCAT('v', id, ' ', status) FROM visits ORDER BY id") +
		d.table(t, "SELECT CONCAT('c', id, ' ', hidden) FROM chats ORDER BY id") +
		d.table(t, "SELECT CONCAT(body, ' ', COALESCE(held, '-')) FROM notes ORDER BY body")
}

const clubBefore = `m1 no
m2 -
v10 open
v11 blocked
v12 open
c20 0
c21 0
c22 0
late yes
likes tea -
tall -`

func TestARestrictionIsSetWhereTheRowsAreThePersonsAloneAndLiftedAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, clubSchema)
		r := Restriction{Request: *request(t, d, clubMap, "email", "ann@example.com")}
		dry := r
		dry.DryRun = true
		plan, err := Restrict(t.Context(), &dry)
		if err != nil || plan.Verified || len(plan.Before) != 2 {
			t.Fatalf("%v: %s, %d rows before", err, jsonOf(t, plan), len(plan.Before))
		}
		expect(t, "after a dry run", clubRows(t, d), clubBefore)
		r.Before = plan.Before
		for n, before := range []string{`"rows":1,"before":0},{"collection":"club:visits","column":"status","rows":1,"before":1}`, `"rows":0,"before":1},{"collection":"club:visits","column":"status","rows":0,"before":2}`} {
			out, err := Restrict(t.Context(), &r)
			if err != nil || !out.Verified {
				t.Fatalf("%v: %s", err, jsonOf(t, out))
			}
			got := jsonOf(t, out)
			if !strings.Contains(got, `{"collection":"club:members","column":"restricted",`+before) ||
				!strings.Contains(got, `"by_hand":[{"collection":"club:audits","rows":1,"why":"the dataset names no column for it"}]`) ||
				!strings.Contains(got, `"skipped_shared":[{"collection":"club:chats","key":{"id":21},"owners":2}]`) {
				t.Errorf("run %d: %s", n+1, got)
			}
			expect(t, "restricted", clubRows(t, d), strings.NewReplacer("m1 no", "m1 yes", "v10 open", "v10 blocked", "c20 0", "c20 1", "tea -", "tea yes").Replace(clubBefore))
		}
		r.Lift = true
		for range 2 {
			out, err := Restrict(t.Context(), &r)
			if err != nil || !out.Verified || len(out.Tasks) != 1 {
				t.Fatalf("%v: %s", err, jsonOf(t, out))
			}
			// What was restricted before, by whomever, is again as it was.
			expect(t, "lifted", clubRows(t, d), clubBefore)
		}
	})
}

func TestWhatCannotBeRestrictedIsATaskAndTheRestIsDone(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, clubSchema+"UPDATE visits SET status = 'closed' WHERE id = 10;\nALTER TABLE chats ADD CHECK (hidden < 1);\n")
		m := strings.Replace(clubMap, "column: held, set: yes, lift: null", "column: gone", 1)
		m = strings.Replace(m, "column: restricted", "column: email", 1)
		out, err := Restrict(t.Context(), &Restriction{Request: *request(t, d, m, "email", "ann@example.com")})
		if err != nil || !out.Verified || len(out.Rows) != 0 {
			t.Fatalf("%v: %s", err, jsonOf(t, out))
		}
		why := map[string]string{}
		for _, task := range out.Tasks {
			why[task.Collection] = task.Why
		}
		for c, part := range map[string]string{
			"club:members": "no yes or no", "club:visits": "something else than the two values", "club:lockers": "no row of the person in members",
			"club:chats": "CHECK constraint", "club:notes": "no column gone", "club:audits": "names no column",
		} {
			if !strings.Contains(why[c], part) {
				t.Errorf("%s is a task because %q, want %q", c, why[c], part)
			}
		}
		expect(t, "what stays", clubRows(t, d), strings.Replace(clubBefore, "v10 open", "v10 closed", 1))
	})
}

func TestARestrictionThatMakesNoSenseIsRefusedInTheFile(t *testing.T) {
	for name, c := range map[string][2]string{
		"another word":                    {"restriction: task", "restriction: never"},
		"a column and another collection": {"{with: members}", "{with: members, column: x}"},
		"neither":                         {"{with: members}", "{set: a, lift: b}"},
		"an unknown collection":           {"{with: members}", "{with: nothing}"},
		"one without a column":            {"{with: members}", "{with: audits}"},
		"a value to set alone":            {"set: blocked, lift: open", "set: blocked"},
		"two values alike":                {"set: blocked, lift: open", "set: open, lift: open"},
		"a list to lift":                  {"set: blocked, lift: open", "set: blocked, lift: [open]"},
	} {
		if _, err := Parse("club.yml", []byte(strings.Replace(clubMap, c[0], c[1], 1))); !fail.Is(err, fail.Invalid) || !strings.Contains(err.Error(), "club") {
			t.Errorf("%s: %v", name, err)
		}
	}
	sets, err := Parse("club.yml", []byte(strings.NewReplacer("    probity_meta: {restriction: task}\n", "").Replace(clubMap)))
	if err != nil || sets[0].Collections[5].Restrict != nil {
		t.Errorf("a collection without the key: %v", err)
	}
}
