package org

import "slices"

// Permissions of Probity's own abilities that have no counterpart in the Genesys Cloud API. All
// others are named as there, and stand in Permissions.
const (
	PermissionRights        = "probity:request:view"    // read requests with per-store detail, packages, certificates
	PermissionRequest       = "probity:request:add"     // submit requests
	PermissionHandle        = "probity:request:edit"    // ask the person, record identity, extend, charge a fee
	PermissionDecide        = "probity:request:decide"  // refuse, hold, decide objections and reviews, lift restrictions
	PermissionApprove       = "probity:request:approve" // approve as the second person
	PermissionMetrics       = "probity:metrics:view"    // read /metrics from another machine
	PermissionConsole       = "probity:console:view"    // sign in to the console
	PermissionAdmin         = "probity:settings:edit"   // change deployments, clients, purposes and notices
	PermissionConsent       = "probity:consent:view"    // read a person's choices and proofs
	PermissionImport        = "journey:event:add"       // bring history in
	PermissionDeclare       = "probity:basis:declare"   // declare a lawful basis other than consent
	PermissionNotice        = "probity:notice:view"     // read drafts and versions of the notice
	PermissionNoticeEdit    = "probity:notice:edit"     // change the draft of the notice
	PermissionNoticePublish = "probity:notice:publish"  // publish the draft, keep pictures of it, and set the look of the banner
	PermissionAssert        = "probity:consent:assert"  // record what people said elsewhere, and make links that withdraw
	PermissionVoid          = "probity:consent:void"    // end consents that were not valid
	PermissionPerson        = "probity:consent:person"  // ask and record for people who signed in on the caller's site
	PermissionAudit         = "audits:audit:view"       // read the ledger's checkpoints
	PermissionSubject       = "gdpr:subject:view"       // search for data subjects
	PermissionGDPRAdd       = "gdpr:request:add"        // Genesys: submit a request
	PermissionGDPR          = "gdpr:request:view"       // Genesys: read requests
	PermissionSession       = "journey:session:view"    // read sessions
	PermissionEvents        = "journey:event:view"      // read the events of a session
	PermissionScores        = "journey:outcomescores:view"
)

// Permissions returns every permission there is, sorted. A client made at first start gets them all.
func Permissions() []string {
	all := []string{
		PermissionRights, PermissionRequest, PermissionHandle, PermissionDecide, PermissionApprove, PermissionMetrics, PermissionConsole, PermissionAdmin,
		PermissionConsent, PermissionImport, PermissionDeclare, PermissionAudit, PermissionSubject,
		PermissionAssert, PermissionVoid, PermissionPerson,
		PermissionNotice, PermissionNoticeEdit, PermissionNoticePublish,
		PermissionGDPRAdd, PermissionGDPR, PermissionSession, PermissionEvents, PermissionScores,
		"externalContacts:session:view",
		"externalContacts:segmentAssignment:view",
		"externalContacts:segmentAssignment:add",
		"externalContacts:segmentAssignment:delete",
		"journey:outcomepredictor:view",
		"journey:outcomepredictor:add",
		"journey:outcomepredictor:delete",
		"journey:actiontarget:view",
		"journey:actiontarget:edit",
	}
	for _, entity := range []string{"segment", "outcome", "actionmap", "actiontemplate"} {
		for _, verb := range []string{"view", "add", "edit", "delete"} {
			all = append(all, "journey:"+entity+":"+verb)
		}
	}
	for _, verb := range []string{"view", "add", "edit", "delete", "execute"} {
		all = append(all, "dataprivacy:maskingrule:"+verb)
	}
	slices.Sort(all)
	return all
}

// known tells whether p is the name of a permission.
func known(p string) bool {
	_, ok := slices.BinarySearch(Permissions(), p)
	return ok
}
