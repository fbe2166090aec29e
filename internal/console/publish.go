package console

import (
	"net/http"
	"slices"
	"strconv"

	"probity/internal/consent"
	"probity/internal/notice"
)

func (k *call) askPublish() error {
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	list, err := k.Notices.Versions(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	var changes []notice.Change
	next := 1
	if len(list) > 0 {
		changes, next = notice.Diff(list[0].Draft, d.Draft), list[0].Version+1
	}
	faults, err := k.Notices.Lint(k.r.Context(), k.tenant(), d.Draft)
	if err != nil {
		return err
	}
	refused := slices.ContainsFunc(faults, func(f notice.Fault) bool { return f.Severity == notice.Refused })
	return k.show(http.StatusOK, "notice-publish", "Publish", map[string]any{
		"Draft": d, "Part": "publish", "Changes": changes, "Material": notice.Material(changes), "Next": next,
		"Faults": faults, "Blocking": len(notice.Blocking(faults)), "Refused": refused,
	})
}

func (k *call) publishDraft() error {
	revision, err := k.seen()
	if err != nil {
		return err
	}
	version, err := k.Notices.PublishDraft(k.r.Context(), k.tenant(), consent.Publication{
		Revision: revision, Material: k.line("material") != "", Override: k.line("override"), By: k.staff.ID.String(),
	})
	if err != nil {
		return err
	}
	return k.goTo("/console/notices/versions/" + strconv.Itoa(version))
}
