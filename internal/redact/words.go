package redact

import "strings"

// What a word can stand for.
const (
	aPhone     meaning = 1 << iota // of telephones: what follows may be a number
	aCard                          // of payment cards
	aOther                         // of orders, parcels and other things that have numbers but are nobody
	aNational                      // of national identifiers
	aSSN                           // of the US social security number
	aBorn                          // of births
	aVersion                       // of versions and sections
	aExpiry                        // of the end of a validity
	aSite                          // of websites
	aBank                          // of bank accounts
	aMoney                         // of prices
	aPassport                      // of passports and identity cards
	aLicence                       // of driving licences
	aPostal                        // of postal codes
	aMonth                         // the name of a month
	aAt                            // the word for '@'
	aDot                           // the word for '.'
	aFunction                      // small words and ordinary ones that begin sentences: never names
	aFiller                        // "is", "no", "number": between a label and its value
	aHonorific                     // Mr, Frau: a name follows
	aGiven                         // a given name
	aCommon                        // a given name that is an ordinary word too
	aParticle                      // von, de la: inside names
	aSuffix                        // Jr, PhD: after names
	aName                          // "name": a name follows
	aCalled                        // "called", "heiße": a name follows
	aGreeting                      // "Dear", "Hallo": a name follows
	aClosing                       // "regards", "Grüße": a name follows on the next line
	aStreet                        // a kind of street, before or after its name
	aUnit                          // apartment, floor
	aOrg                           // a company or place: the words before it are no person
	aSays                          // a verb that people do
	aSurname                       // a frequent family name
	aRole                          // "customer", "agent": a name follows
	aMe                            // "I am", "this is": a name may follow
	aGroup                         // customers, team: greeted, but nobody by name
	aBy                            // "by", "with": a name may follow
)

// vocabulary is what one language knows.
type vocabulary struct {
	regions []string // of its telephone numbers
	words   map[meaning]string
}

// newDictionary returns the words of languages. Company and country words, and the signs of networks,
// belong to all of them.
func newDictionary(languages []string) dictionary {
	d := newTable(1 << 15)
	put := func(words string, m meaning) {
		for w := range strings.FieldsSeq(words) {
			d.put(w, m)
		}
	}
	for m, words := range everywhere {
		put(words, m)
	}
	for _, l := range languages {
		v := vocabularies[l]
		for m, words := range v.words {
			put(words, m)
		}
	}
	// Names are international: a German text may well speak of François.
	for _, names := range givenNames {
		put(names, aGiven)
	}
	for _, names := range familyNames {
		put(names, aSurname)
	}
	put(commonNames, aCommon)
	return d
}

// everywhere are words of all languages.
var everywhere = map[meaning]string{
	aPhone:    "tel phone mobile fax sms whatsapp signal telegram",
	aCard:     "visa mastercard amex maestro mastercards cc",
	aNational: "pesel bsn nif dni cnp oib egn nhs nino insee nir steuer idnr svnr taj afm amka ppsn pps cpr hetu emso nip personnummer isikukood asmens nrn niss cprnr fnr fødselsnummer henkilötunnus personas kods rodné číslo jmbg tic αμκα αφμ егн adóazonosító matricule",
	aSSN:      "ssn ssns",
	aVersion:  "version v ver release firmware build kernel",
	aSite:     "www website homepage web url ip ipv4 ipv6 host dns ping server",
	aBank:     "iban konto",
	aMoney:    "eur usd gbp chf pln euro euros dollar dollars bytes kb mb gb ms sec seconds percent km kg users units items rows",
	aOther:    "isbn issn ean upc sku asin uuid guid doi rma imei tx txn",
	aOrg: "bypass harbor harbour cliffs loop pike ridge shores springs summit turnpike underpass valley viaduct vista fords forges forks haven heights inlet islands junction keys " +
		"knolls lakes landing manors meadow meadows mission motorway orchard plains ports prairie ramp ranch rapids skyway spur trafficway tunnel village ville associates investments " +
		"analytics capital ventures advisors brothers sons inc llc ltd gmbh ag sa srl spa bv nv plc corp corporation kg co oy ab as",
	aSuffix: "jr sr phd md dds dvm ii iii iv esq",
	aAt:     "at",
	aDot:    "dot",
	aGroup: "customer customers team all everyone everybody colleagues friends support service world folks guys sir madam madame students parents members sirs client clients " +
		"kunden kundinnen damen herren kollegen kolleginnen freunde eltern mitglieder tous toutes amis clients messieurs mesdames équipe señores señoras amigos clientes equipo " +
		"signori signore colleghi amici clienti allen collega's collegas klanten dames heren państwo wszyscy klienci todos colegas",
}

var vocabularies = map[string]vocabulary{
	"en": {
		regions: []string{"US", "GB", "IE"},
		words: map[meaning]string{
			aPhone:     "telephone phones mobiles cell cellphone call calls calling called dial ring text texts texted contact reach reached phoned desk landline hotline callback answering voicemail message messages registered texting handy office direct switchboard pager",
			aCard:      "card cards credit debit creditcard",
			aOther:     "order orders invoice invoices tracking parcel shipment ticket tickets case reference ref article item product part serial model batch lot sku booking reservation confirmation customer transaction receipt code coupon voucher policy claim contract barcode",
			aNational:  " tax taxpayer national identity identification identifier tin vat nhs insurance",
			aSSN:       "social",
			aBorn:      "born birth birthday dob birthdate birthdays",
			aVersion:   "section chapter paragraph clause rfc",
			aExpiry:    "expires expiry expiration exp expiring valid expire until thru",
			aSite:      "site visit browse domain homepage link webpage blog portal goto online address",
			aBank:      "account acct routing bank sort",
			aMoney:     "price prices cost costs total amount pay paid revenue population budget",
			aPassport:  "passport passports",
			aLicence:   "license licence licenses licences",
			aPostal:    "zip zipcode postcode postal",
			aMonth:     "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec",
			aFunction:  "the a an and or but if in on at to of for from by with as is are was were be been being it its this that these those there here he she they we you i my your his her our their me him them us who what when where why how which not no yes do does did done has have had will would can could shall should may might must so than then also just only very too more most much many some any all both each every other another such same own few new old first last next good great please thank thanks hello hi dear hey regards sincerely best kind sent need want like make made get got go going come came see seen say said says tell told ask asked call name names one two three four five six seven eight nine ten about after before over under between into out up down off again once because while during without within through against until since per via ok okay sure sorry well now today tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday am pm let lets there's it's i'm you're we're they're don't can't won't actually however although though therefore thus hence meanwhile maybe perhaps never always often sometimes usually still yet already even ever else unless whether everyone everybody someone somebody anyone anybody nobody nothing something everything",
			aFiller:    "is no number nr num are was the code",
			aHonorific: "mr mrs ms miss dr prof professor sir madam mister madame mx rev reverend judge captain capt lt sgt colonel senator president uncle aunt lord lady",
			aParticle:  "of the",
			aName:      "name names firstname lastname surname fullname cardholder holder addressee recipient attn",
			aCalled:    "named called",
			aGreeting:  "dear hi hello hey greetings morning afternoon evening thanks",
			aClosing:   "regards sincerely cheers best yours thanks wishes faithfully truly",
			aStreet:    "street st avenue ave road rd lane ln drive boulevard blvd way court ct place square sq terrace highway hwy parkway pkwy close crescent gardens grove row circle cir trail trl alley plaza mews walk hill mount heights",
			aUnit:      "apt apartment suite ste unit floor flat room building bldg po box",
			aOrg:       "company group bank university college school hospital hotel institute airport restaurant museum church club team committee department ministry office council street avenue road lane drive river lake mountain island bridge park station city county state insurance foundation society association union party band orchestra records university games times journal post news express airlines motors systems solutions services technologies technology software consulting partners industries holdings labs studios media network networks act law court treaty award prize championship league cup festival war agency authority board bureau center centre commission federation international global",
			aSays:      "said says asked told replied wrote writes shouted explained thinks believes wants called calls lives lived works worked moved listed speaks announced joined visited signed sang played loves began spent spoke talked speak speaking met chatted meeting talk",
			aRole:      "customer client agent user patient employee manager guardian beneficiary by contact colleague friend brother sister mother father son daughter wife husband partner boss neighbour neighbor teacher kid child assistant director ceo cfo founder author singer songwriter actor actress producer attorney lawyer nurse doctor with",
			aMe:        "am i'm this here",
			aBy:        "by meet met features starring heard under beneficiary supervised",
		},
	},
	"de": {
		regions: []string{"DE", "AT", "CH"},
		words: map[meaning]string{
			aPhone:     "telefon telefonnummer rufnummer handy handynummer mobil mobilnummer mobiltelefon anrufen anruf ruf rufen rufe ruft erreichbar erreichen erreichst durchwahl festnetz telefax rückruf zurückrufen telefonisch hotline festnetznummer mobilfunknummer faxnummer",
			aCard:      "karte kreditkarte kartennummer kreditkartennummer bankkarte ec karten debitkarte",
			aOther:     "bestellung bestellnummer auftrag auftragsnummer rechnung rechnungsnummer sendung sendungsnummer artikel artikelnummer kundennummer vorgangsnummer aktenzeichen ticket ticketnummer referenz referenznummer seriennummer modell buchung buchungsnummer paket paketnummer vertrag vertragsnummer gutschein gutscheincode code produkt produktnummer bestell",
			aNational:  "steueridentifikationsnummer steuernummer steuer-id steuerid identifikationsnummer sozialversicherungsnummer rentenversicherungsnummer versicherungsnummer rentenversicherung personenkennzahl",
			aBorn:      "geboren geburtsdatum geburtstag geb geburt",
			aVersion:   "abschnitt kapitel absatz ausgabe fassung",
			aExpiry:    "gültig ablaufdatum gültigkeit verfällt läuft gueltig ablauf",
			aSite:      "webseite internetseite seite besuchen besuche domain adresse internet",
			aBank:      "kontonummer bankkonto bankverbindung bankleitzahl blz",
			aMoney:     "preis kosten betrag summe umsatz einwohner",
			aPassport:  "reisepass pass passnummer reisepassnummer personalausweis ausweis ausweisnummer personalausweisnummer",
			aLicence:   "führerschein führerscheinnummer fahrerlaubnis",
			aPostal:    "plz postleitzahl",
			aMonth:     "januar jänner februar märz april mai juni juli august september oktober november dezember",
			aFunction:  "der die das den dem des ein eine einen einem einer eines und oder aber wenn in im an am auf zu zum zur von vom für mit als ist sind war waren sein es dies diese dieser dieses dieses hier da er sie wir ihr ich mein meine meinen meiner dein sein seine unser unsere euer mich ihn ihm uns euch wer was wann wo warum wie welche nicht kein keine ja nein bitte danke hallo guten tag morgen abend haben hat hatte wird werden wurde kann können soll sollte muss darf so dann auch nur sehr mehr viel alle jeder neu neue alt nächste gut liebe lieber sehr geehrte geehrter herr frau über nach vor unter zwischen ohne durch gegen bis seit pro heute gestern montag dienstag mittwoch donnerstag freitag samstag sonntag uhr eins zwei drei vier fünf sechs sieben acht neun zehn ihre ihren ihrem ihnen doch noch schon immer nie leider gerne bei aus um ob weil dass damit daher deshalb jedoch",
			aFiller:    "ist lautet nummer nr",
			aHonorific: "herr herrn frau hr fr dr prof doktor professor fräulein frl dipl ing",
			aParticle:  "von vom zu zum zur van der den und",
			aName:      "name vorname nachname familienname karteninhaber kontoinhaber empfänger ansprechpartner ansprechpartnerin",
			aCalled:    "heiße heisse heißt heisst namens genannt",
			aGreeting:  "hallo liebe lieber hi guten servus moin grüezi",
			aClosing:   "grüße grüßen gruß grüsse grüssen mfg lg vg",
			aStreet:    "straße strasse str weg platz allee gasse ring damm ufer chaussee",
			aUnit:      "wohnung etage stock og eg postfach",
			aOrg:       "verein universität schule krankenhaus klinik versicherung sparkasse stiftung amt ministerium gesellschaft verlag zeitung partei gericht bahnhof flughafen gesetz straße platz weg allee",
			aSays:      "sagte sagt fragte antwortete schrieb meinte erklärte wohnt lebt arbeitet",
			aRole:      "kunde kundin mitarbeiter mitarbeiterin patient patientin kollege kollegin freund freundin bruder schwester mutter vater sohn tochter mann ehefrau chef",
			aMe:        "bin",
			aBy:        "von durch traf",
			aAt:        "at ät klammeraffe",
			aDot:       "punkt",
		},
	},
	"fr": {
		regions: []string{"FR", "BE", "CH", "LU"},
		words: map[meaning]string{
			aPhone:     "téléphone tél portable mobile fax appeler appelez appelle appel joindre joignable contacter contactez fixe télécopie rappeler rappelez téléphoner téléphonez standard",
			aCard:      "carte cartes bancaire cb bleue crédit",
			aOther:     "commande commandes facture colis suivi référence réf dossier article produit série modèle lot réservation client contrat bon code ticket sinistre",
			aNational:  "sécurité sociale fiscal fiscale immatriculation identifiant",
			aBorn:      "né née naissance naquit anniversaire nés",
			aVersion:   "section chapitre article alinéa édition",
			aExpiry:    "expire expiration valable validité valide expirant",
			aSite:      "site visitez internet adresse lien page",
			aBank:      "compte rib",
			aMoney:     "prix coût montant total somme habitants",
			aPassport:  "passeport identité",
			aLicence:   "permis",
			aPostal:    "postal cp",
			aMonth:     "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
			aFunction:  "le la les l un une des du de d et ou mais si dans en sur à au aux pour par avec comme est sont était être ce cet cette ces il elle ils elles nous vous je j mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs me te se qui que qu quoi quand où pourquoi comment quel quelle ne pas non oui merci bonjour bonsoir salut cher chère bien plus moins très trop tout tous toute toutes autre autres même nouveau nouvelle premier première dernier prochain bon bonne après avant entre sans sous chez vers depuis pendant contre aujourd hui hier demain lundi mardi mercredi jeudi vendredi samedi dimanche a ai as avons avez ont avait sera peut peuvent faire fait veuillez voici voilà cela ça c s n m t y madame monsieur alors donc car lorsque puisque toujours jamais encore déjà aussi",
			aFiller:    "est numéro n no num le",
			aHonorific: "m mme mlle mr monsieur madame mademoiselle maître dr docteur pr professeur",
			aParticle:  "de du des le la d",
			aName:      "nom prénom titulaire destinataire",
			aCalled:    "appelle nommé nommée prénomme",
			aGreeting:  "bonjour bonsoir salut cher chère coucou",
			aClosing:   "cordialement salutations amicalement bien sincèrement bises",
			aStreet:    "rue avenue av boulevard bd place chemin impasse allée quai route cours passage square voie faubourg ruelle sentier",
			aUnit:      "appartement appt étage bât bâtiment bp résidence",
			aOrg:       "société banque université école hôpital hôtel institut musée église association fondation ministère gare aéroport mairie tribunal loi rue avenue place",
			aSays:      "dit demande répond écrit explique habite travaille déclare affirme",
			aRole:      "client cliente collègue ami amie frère soeur sœur mère père fils fille mari femme patient patiente employé",
			aMe:        "suis",
			aBy:        "par rencontré",
			aAt:        "arobase chez at",
			aDot:       "point",
		},
	},
	"es": {
		regions: []string{"ES", "MX", "AR"},
		words: map[meaning]string{
			aPhone:     "teléfono tfno tlf móvil celular fax llamar llame llámame llámeme llamada llamen contactar contacte contacto fijo localizarme whatsapp",
			aCard:      "tarjeta tarjetas crédito débito",
			aOther:     "pedido pedidos factura envío seguimiento referencia ref expediente artículo producto serie modelo lote reserva cliente contrato cupón código ticket paquete",
			aNational:  "dni nif identidad fiscal seguridad",
			aBorn:      "nacido nacida nació nacimiento nací cumpleaños",
			aVersion:   "sección capítulo apartado versión",
			aExpiry:    "caduca caducidad vence vencimiento válida expira",
			aSite:      "sitio visite visita página internet enlace",
			aBank:      "cuenta bancaria",
			aMoney:     "precio coste importe total habitantes",
			aPassport:  "pasaporte",
			aLicence:   "carnet permiso conducir licencia",
			aPostal:    "postal cp",
			aMonth:     "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
			aFunction:  "el la los las un una unos unas y o pero si en de del a al para por con como es son era fue ser este esta estos estas ese esa eso aquí allí él ella ellos nosotros usted ustedes yo mi mis tu tus su sus nuestro nuestra me te se le les lo que quien cuando donde cómo cuál no sí gracias hola buenos buenas días tardes noches más menos muy mucho todo toda todos otro otra mismo nuevo nueva primero último próximo bueno buena después antes entre sin sobre hasta desde contra hoy ayer mañana lunes martes miércoles jueves viernes sábado domingo he ha han hay había tiene tengo puede quiero necesito estimado estimada señor señora también ya aún siempre nunca",
			aFiller:    "es número n núm",
			aHonorific: "sr sra srta señor señora señorita don doña dr dra doctor doctora prof profesor profesora",
			aParticle:  "de del la los las y",
			aName:      "nombre apellido apellidos titular destinatario",
			aCalled:    "llamo llama llamado llamada",
			aGreeting:  "hola estimado estimada querido querida buenos buenas",
			aClosing:   "saludos atentamente cordialmente saludo abrazo",
			aStreet:    "calle avenida avda av plaza paseo camino carretera ronda travesía glorieta pasaje c/",
			aUnit:      "piso puerta escalera portal bloque bajo",
			aOrg:       "empresa banco universidad escuela hospital hotel instituto museo iglesia asociación fundación ministerio estación aeropuerto ayuntamiento tribunal ley calle avenida plaza",
			aSays:      "dijo dice preguntó respondió escribió explicó vive trabaja",
			aRole:      "cliente colega amigo amiga hermano hermana madre padre hijo hija marido esposa paciente empleado",
			aMe:        "soy",
			aBy:        "por conocí",
			aAt:        "arroba at",
			aDot:       "punto",
		},
	},
	"it": {
		regions: []string{"IT", "CH"},
		words: map[meaning]string{
			aPhone:     "telefono cellulare tel cell fax chiamare chiamami chiamate chiamata chiami contattare contattatemi contattarmi contatto fisso recapito richiamare telefonare richiamatemi telefonico",
			aCard:      "carta carte credito debito bancomat",
			aOther:     "ordine ordini fattura spedizione tracciamento riferimento rif pratica articolo prodotto serie modello lotto prenotazione cliente contratto biglietto pacco",
			aNational:  "fiscale cf tessera sanitaria",
			aBorn:      "nato nata nascita compleanno nacque",
			aVersion:   "sezione capitolo comma versione",
			aExpiry:    "scade scadenza valida scadrà",
			aSite:      "sito visita visitate pagina internet",
			aBank:      "conto corrente",
			aMoney:     "prezzo costo importo totale abitanti",
			aPassport:  "passaporto identità",
			aLicence:   "patente",
			aPostal:    "cap postale",
			aMonth:     "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
			aFunction:  "il lo la i gli le un uno una e ed o ma se in di del della dei delle a al alla da dal dalla per con su come è sono era essere questo questa questi queste quello quella qui lì lui lei loro noi voi io mio mia miei mie tuo tua suo sua nostro nostra vostro mi ti si ci vi chi che cosa quando dove perché quale non sì no grazie ciao buongiorno buonasera salve gentile caro cara più meno molto tutto tutta tutti altro altra stesso nuovo nuova primo ultimo prossimo buono buona dopo prima tra fra senza sotto sopra fino oggi ieri domani lunedì martedì mercoledì giovedì venerdì sabato domenica ho ha hanno abbiamo può posso vorrei signor signora anche già ancora sempre mai",
			aFiller:    "è numero n",
			aHonorific: "sig signor signora signorina sigra dott dottor dottoressa dr prof professor professoressa ing avv avvocato",
			aParticle:  "di de della del dello d la lo",
			aName:      "nome cognome intestatario destinatario titolare",
			aCalled:    "chiamo chiama chiamato chiamata",
			aGreeting:  "ciao gentile caro cara salve buongiorno buonasera egregio spettabile",
			aClosing:   "saluti cordialmente cordiali saluto distinti",
			aStreet:    "via viale piazza corso vicolo largo piazzale strada lungomare contrada borgo vico",
			aUnit:      "interno scala piano int",
			aOrg:       "società banca università scuola ospedale hotel istituto museo chiesa associazione fondazione ministero stazione aeroporto comune tribunale legge via piazza",
			aSays:      "disse dice chiese rispose scrisse spiegò abita vive lavora",
			aRole:      "cliente collega amico amica fratello sorella madre padre figlio figlia marito moglie paziente",
			aMe:        "sono",
			aBy:        "da incontrato",
			aAt:        "chiocciola at",
			aDot:       "punto",
		},
	},
	"nl": {
		regions: []string{"NL", "BE"},
		words: map[meaning]string{
			aPhone:     "telefoon telefoonnummer tel mobiel mobiele bel bellen belt gebeld bereikbaar bereiken fax gsm vaste terugbellen telefonisch contact",
			aCard:      "kaart creditcard creditcardnummer kaartnummer pinpas bankpas betaalkaart",
			aOther:     "bestelling bestelnummer order ordernummer factuur factuurnummer zending pakket referentie kenmerk artikel artikelnummer product serienummer model reservering boeking klantnummer contract kortingscode zaaknummer ticket",
			aNational:  "bsn burgerservicenummer rijksregisternummer sofinummer",
			aBorn:      "geboren geboortedatum verjaardag geb geboorte",
			aVersion:   "hoofdstuk paragraaf artikel versie",
			aExpiry:    "verloopt vervaldatum geldig vervalt",
			aSite:      "website bezoek site pagina internet",
			aBank:      "rekening rekeningnummer bankrekening",
			aMoney:     "prijs kosten bedrag totaal inwoners",
			aPassport:  "paspoort paspoortnummer identiteitskaart",
			aLicence:   "rijbewijs rijbewijsnummer",
			aPostal:    "postcode",
			aMonth:     "januari februari maart april mei juni juli augustus september oktober november december",
			aFunction:  "de het een en of maar als in op aan te tot van voor door met bij om is zijn was waren wordt worden dit dat deze die hier daar hij zij ze wij we jij je u ik mijn jouw uw zijn haar ons onze hun mij hem wie wat wanneer waar waarom hoe welke niet geen ja nee graag dank bedankt hallo goedemorgen goedemiddag beste geachte meer veel alle ander andere zelfde nieuw nieuwe eerste laatste volgende goed na voor tussen zonder onder over tegen sinds vandaag gisteren morgen maandag dinsdag woensdag donderdag vrijdag zaterdag zondag heb heeft hebben had kan kunnen zal moet mag ook nog al altijd nooit",
			aFiller:    "is nummer nr",
			aHonorific: "dhr mevr mw meneer mevrouw heer dr prof drs ir mr",
			aParticle:  "van de der den het ten ter te in 't op",
			aName:      "naam voornaam achternaam rekeninghouder kaarthouder ontvanger",
			aCalled:    "heet genaamd",
			aGreeting:  "beste hallo hoi geachte dag lieve",
			aClosing:   "groet groeten vriendelijke hoogachtend mvg",
			aStreet:    "straat laan weg plein gracht kade singel dreef hof pad steeg",
			aUnit:      "appartement verdieping bus postbus",
			aOrg:       "bedrijf bank universiteit school ziekenhuis hotel instituut museum kerk vereniging stichting ministerie station luchthaven gemeente rechtbank wet",
			aSays:      "zei zegt vroeg antwoordde schreef woont werkt",
			aRole:      "klant collega vriend vriendin broer zus moeder vader zoon dochter man vrouw patiënt medewerker",
			aMe:        "ben",
			aBy:        "door ontmoette",
			aAt:        "apenstaartje at",
			aDot:       "punt",
		},
	},
	"pl": {
		regions: []string{"PL"},
		words: map[meaning]string{
			aPhone:     "telefon telefonu telefonem tel komórka komórkowy komórki kom fax faks zadzwoń zadzwonić dzwonić dzwoń dzwonię proszę_dzwonić kontakt kontaktowy numerem stacjonarny oddzwonić infolinia zadzwoniła zadzwonił",
			aCard:      "karta karty kartę kartą kredytowa kredytowej debetowa płatnicza",
			aOther:     "zamówienie zamówienia faktura faktury przesyłka przesyłki paczka paczki sprawy referencyjny artykuł produkt produktu seryjny model partia rezerwacja rezerwacji klienta umowy umowa kod zgłoszenia kupon",
			aNational:  "pesel nip dowód tożsamości",
			aBorn:      "urodzony urodzona urodzenia urodzin urodził urodziła ur urodziłem urodziłam urodzeni",
			aVersion:   "rozdział sekcja paragraf wersja wersji",
			aExpiry:    "ważna ważności wygasa ważny",
			aSite:      "strona stronie stronę odwiedź internetowa witryna",
			aBank:      "konto konta rachunek rachunku bankowy",
			aMoney:     "cena koszt kwota suma mieszkańców",
			aPassport:  "paszport paszportu dowodu",
			aLicence:   " jazdy",
			aPostal:    "pocztowy",
			aMonth:     "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
			aFunction:  "i a oraz lub albo ale jeśli w we na do z ze od dla przez po przed przy o u za jak jest są był była było być to ten ta te ci tu tam on ona oni my wy ja mój moja moje twój jego jej nasz nasza wasz mnie mi mu nam wam kto co kiedy gdzie dlaczego który która nie tak proszę dziękuję dzień dobry cześć witam witaj szanowny szanowna więcej bardzo wszystko wszyscy inny nowy nowa pierwszy ostatni następny dobry między bez pod nad aż dziś dzisiaj wczoraj jutro poniedziałek wtorek środa czwartek piątek sobota niedziela ma mam mają może mogę chcę pan pani państwo również już jeszcze zawsze nigdy numer się że czy",
			aFiller:    "to numer nr jest",
			aHonorific: "pan pani pana panu panią panem dr prof mgr inż",
			aParticle:  "de von",
			aName:      "imię nazwisko imię_i_nazwisko posiadacz odbiorca",
			aCalled:    "nazywam nazywa imieniu",
			aGreeting:  "cześć witam witaj szanowny szanowna drogi droga hej",
			aClosing:   "pozdrawiam pozdrowienia poważaniem pozdrowieniami",
			aStreet:    "ulica ul ulicy aleja al aleje plac pl osiedle os",
			aUnit:      "mieszkanie m lokal piętro",
			aOrg:       "firma bank uniwersytet szkoła szpital hotel instytut muzeum kościół fundacja ministerstwo dworzec lotnisko sąd ustawa ulica plac",
			aSays:      "powiedział powiedziała mówi zapytał odpowiedział napisał napisała mieszka pracuje",
			aRole:      "klient klientka kolega koleżanka brat siostra matka ojciec syn córka mąż żona pacjent pacjentka pracownik",
			aMe:        "jestem",
			aBy:        "przez",
			aAt:        "małpa at",
			aDot:       "kropka",
		},
	},
	"pt": {
		regions: []string{"PT", "BR"},
		words: map[meaning]string{
			aPhone:     "telefone telemóvel telemovel celular tel fax ligar ligue liguem ligue-me chamada chamar contactar contacte contacto contato fixo telefónico",
			aCard:      "cartão cartões crédito débito multibanco",
			aOther:     "encomenda encomendas pedido fatura factura envio rastreio referência ref processo artigo produto série modelo lote reserva cliente contrato cupão código bilhete",
			aNational:  "nif contribuinte cidadão cpf segurança identificação fiscal",
			aBorn:      "nascido nascida nasceu nascimento nasci aniversário",
			aVersion:   "secção capítulo versão alínea",
			aExpiry:    "expira validade válido vence caduca",
			aSite:      "site visite página internet sítio",
			aBank:      "conta bancária nib",
			aMoney:     "preço custo valor total habitantes",
			aPassport:  "passaporte",
			aLicence:   " condução habilitação",
			aPostal:    "postal cep",
			aMonth:     "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
			aFunction:  "o a os as um uma uns umas e ou mas se em no na nos nas de do da dos das ao à para por pelo pela com como é são era foi ser este esta estes estas esse essa isso aqui ali ele ela eles elas nós você vocês eu meu minha meus minhas teu tua seu sua nosso nossa me te lhe quem que quando onde porquê qual não sim obrigado obrigada olá bom boa dia tarde noite mais menos muito todo toda todos outro outra mesmo novo nova primeiro último próximo depois antes entre sem sobre até desde contra hoje ontem amanhã segunda terça quarta quinta sexta sábado domingo tem tenho há pode posso quero preciso caro cara senhor senhora exmo exma também já ainda sempre nunca",
			aFiller:    "é número n",
			aHonorific: "sr sra srª senhor senhora dona dom dr dra doutor doutora prof professor professora eng",
			aParticle:  "de da do dos das e",
			aName:      "nome apelido sobrenome titular destinatário",
			aCalled:    "chamo chama chamado chamada",
			aGreeting:  "olá caro cara querido querida exmo exma prezado prezada oi",
			aClosing:   "cumprimentos atenciosamente cordialmente abraço saudações",
			aStreet:    "rua avenida av travessa praça largo estrada alameda calçada beco rotunda",
			aUnit:      "andar esq dto apartamento bloco lote",
			aOrg:       "empresa banco universidade escola hospital hotel instituto museu igreja associação fundação ministério estação aeroporto câmara tribunal lei rua avenida",
			aSays:      "disse diz perguntou respondeu escreveu explicou mora vive trabalha",
			aRole:      "cliente colega amigo amiga irmão irmã mãe pai filho filha marido esposa paciente",
			aMe:        "sou",
			aBy:        "por pelo pela",
			aAt:        "arroba at",
			aDot:       "ponto",
		},
	},
}
