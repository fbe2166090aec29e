package vault

import (
	"strings"
	"testing"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestAnAuditCountsTheKeysAndFindsThoseThatAreDamaged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		v := openVault(t, db, clock.NewFake(origin))
		a, b := settle(t, v, 5), settle(t, v, 600)
		// Subjects, and of each tenant the data key, the index key and a signing key.
		if keys, err := v.Audit(ctx); err != nil || keys != 605+2*3 {
			t.Errorf("%d keys, %v", keys, err)
		}
		if err := db.Tenant(b.tenant).Write(ctx, func(tx *store.Tx) error {
			for _, s := range b.subjects[:2] {
				if _, err := tx.Exec(ctx, "UPDATE subject_key SET version = version + 1 WHERE tenant_id = $1 AND subject = $2", b.tenant, s); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		keys, err := v.Audit(ctx)
		if keys != 611 || !fail.Is(err, fail.Internal) || !strings.Contains(err.Error(), "2 of 611 keys") {
			t.Errorf("%d keys, %v", keys, err)
		}
		a.check(t, v)
	})
}
