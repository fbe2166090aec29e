package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

const (
	outcomes   = "/api/v2/journey/outcomes"
	segments   = "/api/v2/journey/segments"
	actionMaps = "/api/v2/journey/actionmaps"
	templates  = "/api/v2/journey/actiontemplates"
	predictors = "/api/v2/journey/outcomes/predictors"
)

const purchase = `{"criteria":[{"key":"eventName","values":["order_completed"],"operator":"equal"}],"count":1,"streamType":"Web","sessionType":"web"}`

func TestAnOutcomesLife(t *testing.T) {
	h := newHouse(t)
	made := h.call(t, "POST", outcomes, `{"displayName":"Purchase","journey":{"patterns":[`+purchase+`]}}`).want(t, 200)
	self := made.str(t, "selfUri")
	for member, want := range map[string]any{"isActive": true, "isPositive": true, "version": 1.0, "displayName": "Purchase"} {
		if got := made.at(member); got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	if _, ok := made.at("context.patterns").([]any); !ok {
		t.Errorf("context.patterns is no list in %s", made.body)
	}

	t.Run("what is not named in a patch stays", func(t *testing.T) {
		a := h.call(t, "PATCH", self, `{"description":"It counts","version":1}`).want(t, 200)
		if a.at("description") != "It counts" || a.at("displayName") != "Purchase" || a.at("version") != 2.0 {
			t.Errorf("got %s", a.body)
		}
		if list := a.at("journey.patterns").([]any); len(list) != 1 {
			t.Errorf("the patterns are gone: %s", a.body)
		}
	})
	t.Run("null clears, and a list is replaced as a whole", func(t *testing.T) {
		a := h.call(t, "PATCH", self, `{"description":null,"journey":{"patterns":[`+purchase+`,`+purchase+`]}}`).want(t, 200)
		if a.at("description") != nil || len(a.at("journey.patterns").([]any)) != 2 {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("an old version is a conflict that clients know", func(t *testing.T) {
		a := h.call(t, "PATCH", self, `{"description":"x","version":1}`).want(t, 409)
		if !strings.Contains(a.str(t, "message"), "does not match the current version") {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a read after a write shows it", func(t *testing.T) {
		if a := h.call(t, "GET", self, "").want(t, 200); a.at("version") != 3.0 {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("after a delete it is gone at once", func(t *testing.T) {
		h.call(t, "DELETE", self, "").want(t, 204)
		h.call(t, "GET", self, "").want(t, 404)
		h.call(t, "DELETE", self, "").want(t, 404)
		h.call(t, "PATCH", self, `{"description":"x"}`).want(t, 404)
	})
	for name, body := range map[string]string{
		"no name": `{"journey":{"patterns":[]}}`, "a wrong type": `{"displayName":7}`, "an unknown key": `{"displayName":"A","journey":{"patterns":[{"criteria":[{"key":"shoe","values":["1"]}],"count":1,"streamType":"Web","sessionType":"web"}]}}`,
		"an unknown operator":      `{"displayName":"A","journey":{"patterns":[{"criteria":[{"key":"eventName","values":["1"],"operator":"is"}],"count":1,"streamType":"Web","sessionType":"web"}]}}`,
		"a name that stands twice": `{"displayName":"A","displayName":"B"}`, "a list": `[]`,
	} {
		t.Run(name, func(t *testing.T) { h.call(t, "POST", outcomes, body).want(t, 400) })
	}
}

func TestListingsFilterSortAndPage(t *testing.T) {
	h := newHouse(t)
	var ids []string
	for i, name := range []string{"banana", "Apple", "cherry"} {
		a := h.call(t, "POST", outcomes, fmt.Sprintf(`{"displayName":%q,"isActive":%v}`, name, i != 2)).want(t, 200)
		ids = append(ids, a.str(t, "id"))
	}
	for query, want := range map[string]string{
		"":                                       "banana Apple cherry",
		"?sortBy=displayName":                    "Apple banana cherry",
		"?sortBy=-displayName":                   "cherry banana Apple",
		"?isActive=true":                         "banana Apple",
		"?isActive=false":                        "banana Apple cherry", // clients send false without meaning it
		"?pageSize=2":                            "banana Apple",
		"?pageSize=2&pageNumber=2":               "cherry",
		"?pageSize=0&pageNumber=0":               "banana Apple cherry",
		"?queryFields=displayName&queryValue=AN": "banana",
		"?outcomeIds=" + ids[0] + "," + ids[2]:   "banana cherry",
		"?outcomeIds=" + ids[0] + "&outcomeIds=" + ids[1]: "banana Apple",
	} {
		a := h.call(t, "GET", outcomes+query, "").want(t, 200)
		var got []string
		for _, e := range a.at("entities").([]any) {
			got = append(got, e.(map[string]any)["displayName"].(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q lists %v, want %s", query, got, want)
		}
	}
	for _, query := range []string{"?queryFields=displayName", "?queryValue=x", "?pageSize=x", "?isActive=perhaps", "?filterField=weight"} {
		h.call(t, "GET", outcomes+query, "").want(t, 400)
	}
}

func TestPredictorsGoWithOutcomes(t *testing.T) {
	h := newHouse(t)
	o := h.call(t, "POST", outcomes, `{"displayName":"Purchase","journey":{"patterns":[`+purchase+`]}}`).str(t, "id")
	body := `{"outcome":{"id":"` + o + `"}}`
	p := h.call(t, "POST", predictors, body).want(t, 200)
	if p.at("outcome.id") != o {
		t.Errorf("got %s", p.body)
	}
	h.call(t, "POST", predictors, body).want(t, 409)
	h.call(t, "POST", predictors, `{"outcome":{"id":"`+uuid.NewString()+`"}}`).want(t, 400)
	h.call(t, "POST", predictors, `{}`).want(t, 400)
	if a := h.call(t, "GET", predictors, "").want(t, 200); len(a.at("entities").([]any)) != 1 {
		t.Errorf("got %s", a.body)
	}
	one := predictors + "/" + p.str(t, "id")
	h.call(t, "GET", one, "").want(t, 200)
	h.call(t, "DELETE", one, "").want(t, 204)
	h.call(t, "GET", one, "").want(t, 404)
	h.call(t, "DELETE", one, "").want(t, 404)
}

func TestActionMapsAndTemplates(t *testing.T) {
	h := newHouse(t)
	tpl := h.call(t, "POST", templates, `{"name":"Ten off","mediaType":"contentOffer","state":"Active","contentOffer":{"displayMode":"Toast","layoutMode":"TextOnly","title":"T","callToAction":{"url":"https://shop.example/"}}}`).want(t, 200)
	o := h.call(t, "POST", outcomes, `{"displayName":"Purchase","journey":{"patterns":[`+purchase+`]}}`).str(t, "id")
	made := h.call(t, "POST", actionMaps, `{"displayName":"Offer","startDate":"2026-01-02T15:04:05.000000","endDate":"2027-01-02T15:04:05.000000Z",
		"triggerWithOutcomeProbabilityConditions":[{"outcomeId":"`+o+`","maximumProbability":0.7,"probability":0.3}],
		"pageUrlConditions":[{"values":["shop"],"operator":"containsAny"}],"activation":{"type":"delay","delayInSeconds":30},
		"action":{"mediaType":"contentOffer","actionTemplate":{"id":"`+tpl.str(t, "id")+`"},"isPacingEnabled":false}}`).want(t, 200)
	for member, want := range map[string]any{
		"weight": 2.0, "isActive": true, "ignoreFrequencyCap": false, "activation.delayInSeconds": 30.0,
		"startDate": "2026-01-02T15:04:05.000Z", "endDate": "2027-01-02T15:04:05.000Z", "action.mediaType": "contentOffer", "action.isPacingEnabled": false,
	} {
		if got := made.at(member); got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	condition := made.at("triggerWithOutcomeProbabilityConditions").([]any)[0].(map[string]any)
	if condition["maximumProbability"] != 0.7 || condition["probability"] != 0.3 {
		t.Errorf("the condition is %v", condition)
	}
	for _, list := range []string{"triggerWithSegments", "triggerWithEventConditions", "triggerWithOutcomeQuantileConditions"} {
		if _, ok := made.at(list).([]any); !ok {
			t.Errorf("%s is no list", list)
		}
	}
	t.Run("an activation is replaced as a whole", func(t *testing.T) {
		a := h.call(t, "PATCH", made.str(t, "selfUri"), `{"displayName":"Offer","activation":{"type":"immediate"}}`).want(t, 200)
		if a.at("activation.type") != "immediate" || a.at("activation.delayInSeconds") != nil {
			t.Errorf("got %s", a.body)
		}
		if a.at("action.actionTemplate.id") != tpl.at("id") {
			t.Errorf("the template is gone: %s", a.body)
		}
	})
	t.Run("what the journey only passes on comes back as it went", func(t *testing.T) {
		a := h.call(t, "POST", actionMaps, `{"displayName":"Chat","triggerWithSegments":[],"activation":{"type":"immediate"},"action":{"mediaType":"webMessagingOffer","webMessagingOfferFields":{"offerText":"May we help?"}}}`).want(t, 200)
		if a.at("action.webMessagingOfferFields.offerText") != "May we help?" {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("templates are filtered by media type and state", func(t *testing.T) {
		for query, want := range map[string]int{"": 1, "?mediaType=contentOffer": 1, "?mediaType=webchat": 0, "?state=Active": 1, "?state=Inactive": 0, "?queryFields=name&queryValue=ten": 1} {
			if a := h.call(t, "GET", templates+query, "").want(t, 200); len(a.at("entities").([]any)) != want {
				t.Errorf("%q: %s", query, a.body)
			}
		}
		h.call(t, "DELETE", tpl.str(t, "selfUri")+"?hardDelete=true", "").want(t, 204)
		h.call(t, "GET", tpl.str(t, "selfUri"), "").want(t, 404)
	})
	t.Run("segments too", func(t *testing.T) {
		a := h.call(t, "POST", segments, `{"displayName":"Everybody"}`).want(t, 200)
		if a.at("scope") != "Session" || a.str(t, "color") == "" || a.at("shouldDisplayToAgent") != true {
			t.Errorf("got %s", a.body)
		}
		h.call(t, "POST", segments, `{"displayName":"A","color":"red"}`).want(t, 400)
	})
}
