package dataset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally counts the languages that rows state, of not too many.
type tally struct {
	rows map[string]int
}

const maxLanguages = 1000

func (t *tally) add(language string) {
	if language == "" {
		language = "none stated"
	}
	if t.rows == nil {
		t.rows = map[string]int{}
	}
	if _, ok := t.rows[language]; ok || len(t.rows) < maxLanguages {
		t.rows[language]++
	}
}

// String lists the most frequent ones.
func (t tally) String() string {
	names := slices.SortedFunc(maps.Keys(t.rows), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.rows[b], t.rows[a]), cmp.Compare(a, b))
	})
	var parts []string
	for i, name := range names {
		if i == 5 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", shorten(name, 20), t.rows[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; the languages are: " + strings.Join(parts, ", ")
}

// canonicalLanguage is one spelling of a language: the ISO 639-1 code of what states an
// English name, a code of two or three letters, or a tag that begins with one, such as
// en-US; else the text in lower case.
func canonicalLanguage(s string) string {
	if code, ok := languageCodes[s]; ok {
		return code
	}
	s = strings.ToLower(strings.TrimSpace(s))
	if code, ok := languageCodes[s]; ok {
		return code
	}
	if i := strings.IndexAny(s, "-_ ("); i > 0 {
		if code, ok := languageCodes[s[:i]]; ok && (s[i] != ' ' || strings.HasPrefix(s[i:], " (")) {
			return code
		}
	}
	return s
}

func canonicalLanguages(list []string) (out []string) {
	for _, l := range list {
		out = append(out, canonicalLanguage(l))
	}
	return out
}

// languageCodes finds the ISO 639-1 code by that code, those of ISO 639-2 and the English
// name, in lower case and as the name is written.
var languageCodes = func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(languages639) {
		words := strings.Split(strings.TrimSpace(line), " ")
		code := words[0]
		for _, word := range words {
			word = strings.ReplaceAll(word, "_", " ")
			m[word], m[strings.ToLower(word)] = code, code
		}
	}
	return m
}()

// languages639 are code, codes of three letters, and names.
const languages639 = `aa aar Afar
ab abk Abkhazian Abkhaz
ae ave Avestan
af afr Afrikaans
ak aka Akan
am amh Amharic
an arg Aragonese
ar ara arb Arabic
as asm Assamese
av ava Avaric
ay aym Aymara
az aze Azerbaijani
ba bak Bashkir
be bel Belarusian
bg bul Bulgarian
bh bih Bihari
bi bis Bislama
bm bam Bambara
bn ben Bengali Bangla
bo bod tib Tibetan
br bre Breton
bs bos Bosnian
ca cat Catalan Valencian
ce che Chechen
ch cha Chamorro
co cos Corsican
cr cre Cree
cs ces cze Czech
cu chu Church_Slavic
cv chv Chuvash
cy cym wel Welsh
da dan Danish
de deu ger German
dv div Divehi Dhivehi Maldivian
dz dzo Dzongkha
ee ewe Ewe
el ell gre Greek Modern_Greek
en eng English
eo epo Esperanto
es spa Spanish Castilian
et est Estonian
eu eus baq Basque
fa fas per Persian Farsi
ff ful Fulah Fula
fi fin Finnish
fj fij Fijian
fo fao Faroese
fr fra fre French
fy fry Western_Frisian Frisian
ga gle Irish
gd gla Gaelic Scottish_Gaelic Scots_Gaelic
gl glg Galician
gn grn Guarani
gu guj Gujarati
gv glv Manx
ha hau Hausa
he heb iw Hebrew
hi hin Hindi
ho hmo Hiri_Motu
hr hrv scr Croatian
ht hat Haitian Haitian_Creole
hu hun Hungarian
hy hye arm Armenian
hz her Herero
ia ina Interlingua
id ind in Indonesian
ie ile Interlingue Occidental
ig ibo Igbo
ii iii Sichuan_Yi Nuosu
ik ipk Inupiaq Inupiak
io ido Ido
is isl ice Icelandic
it ita Italian
iu iku Inuktitut
ja jpn Japanese
jv jav jw Javanese
ka kat geo Georgian
kg kon Kongo
ki kik Kikuyu
kj kua Kuanyama
kk kaz Kazakh
kl kal Kalaallisut Greenlandic
km khm Khmer
kn kan Kannada
ko kor Korean
kr kau Kanuri
ks kas Kashmiri
ku kur Kurdish
kv kom Komi
kw cor Cornish
ky kir Kyrgyz Kirghiz
la lat Latin
lb ltz Luxembourgish
lg lug Ganda Luganda
li lim Limburgish Limburgan
ln lin Lingala
lo lao Lao Laothian
lt lit Lithuanian
lu lub Luba-Katanga
lv lav Latvian
mg mlg Malagasy
mh mah Marshallese
mi mri mao Maori
mk mkd mac Macedonian
ml mal Malayalam
mn mon Mongolian
mr mar Marathi
ms msa may Malay
mt mlt Maltese
my mya bur Burmese
na nau Nauru
nb nob Norwegian_Bokmal Norwegian_Bokmål Bokmal
nd nde North_Ndebele
ne nep Nepali
ng ndo Ndonga
nl nld dut Dutch Flemish
nn nno Norwegian_Nynorsk Nynorsk
no nor Norwegian
nr nbl South_Ndebele
nv nav Navajo
ny nya Chichewa Nyanja
oc oci Occitan
oj oji Ojibwa
om orm Oromo
or ori Oriya Odia
os oss Ossetian
pa pan Punjabi Panjabi
pi pli Pali
pl pol Polish
ps pus Pashto
pt por Portuguese
qu que Quechua
rm roh Romansh Rhaeto_Romance
rn run Rundi Kirundi
ro ron rum mo Romanian Moldavian
ru rus Russian
rw kin Kinyarwanda
sa san Sanskrit
sc srd Sardinian
sd snd Sindhi
se sme Northern_Sami
sg sag Sango
si sin Sinhala Sinhalese
sk slk slo Slovak
sl slv Slovenian Slovene
sm smo Samoan
sn sna Shona
so som Somali
sq sqi alb Albanian
sr srp scc Serbian
ss ssw Swati Siswant
st sot Sesotho Southern_Sotho
su sun Sundanese
sv swe Swedish
sw swa Swahili
ta tam Tamil
te tel Telugu
tg tgk Tajik
th tha Thai
ti tir Tigrinya
tk tuk Turkmen
tl tgl Tagalog
tn tsn Tswana Setswana
to ton Tonga
tr tur Turkish
ts tso Tsonga
tt tat Tatar
tw twi Twi
ty tah Tahitian
ug uig Uyghur Uighur
uk ukr Ukrainian
ur urd Urdu
uz uzb Uzbek
ve ven Venda
vi vie Vietnamese
vo vol Volapük Volapuk
wa wln Walloon
wo wol Wolof
xh xho Xhosa
yi yid ji Yiddish
yo yor Yoruba
za zha Zhuang
zh zho chi cmn Chinese Mandarin
zu zul Zulu
`
