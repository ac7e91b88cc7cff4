"""The story's texts, in Turkish and English: data alone. The scenes fill in the words in braces."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("tr", "en")
WORDS: Mapping[str, tuple[str, str]] = {
    "title": (
        "SENTETİK GÖSTERİM: bir dosyanın öyküsü, ihbardan kâğıttaki kanıta",
        "SYNTHETIC DEMONSTRATION: the story of a case, from the hotline to the proof on paper",
    ),
    "clock": (
        "Aşağıdaki her şey şimdi, panelin kendi sayfalarından olur. Defter gerçek saati yazar: {now}. Öyküde "
        "gece yarısıdır.",
        "All of it happens now, through the panel's own pages. The ledger writes the true time: {now}. In the"
        " story it is night.",
    ),
    "look": (
        "Panelde bakın: {url}  (kullanıcı {user})",
        "Look in the panel: {url}  (user {user})",
    ),
    "logins": (
        "Parolalar: itm demo logins",
        "Passwords: itm demo logins",
    ),
    "undone": (
        "Yarıda kalan önceki öykünün değişikliği geri alındı.",
        "An earlier story that was interrupted is taken back.",
    ),
    "taken_back": (
        "Öykü yarıda kaldı: veri tabanındaki değişiklik geri alındı.",
        "The story ended early: the alteration in the database is taken back.",
    ),
    "starting": (
        "Panel çalışmıyor: başlatılıyor …",
        "The panel is not running: it is started …",
    ),
    "hotline": (
        "157 hattı arar, dosya açılır",
        "The hotline 157 calls, a case is opened",
    ),
    "hotline.say": (
        "{who} (JGK, Gaziantep) bir ihbarı dosyaya yazar. Dosya {reference} numarasını alır; mağdurun adı "
        "şifrelenir, herkes yalnızca takma adı görür.",
        "{who} (JGK, Gaziantep) writes a report down as a case. It gets the reference {reference}; the "
        "victim's name is encrypted, everybody sees a pseudonym only.",
    ),
    "reveal": (
        "Kimlik, gerekçesi yazılarak gösterilir",
        "The identity is revealed, with a purpose",
    ),
    "reveal.say": (
        "Gerekçe seçmeden istek geri çevrilir. {who} 'Dosya işlemi' gerekçesiyle bakar; yönetici {manager} "
        "'Acil durum' der ve bir cümleyle açıklar. İki bakış da sayfa açılmadan önce deftere yazılır.",
        "Without a purpose the request is refused. {who} looks for 'case work'; the manager {manager} says "
        "'emergency' and explains it in a sentence. Both looks are in the ledger before the page leaves.",
    ),
    "nosy": (
        "Meraklı bir meslektaş, gece, geri çevrilir",
        "A nosy colleague is refused, at night",
    ),
    "nosy.say": (
        "{nosy} (JGK, Antalya) dosyanın ve kişinin adresini bilir, ama işi değildir: {times} denemenin "
        "hiçbiri bir şey göstermez. Her deneme onun adıyla deftere yazılır.",
        "{nosy} (JGK, Antalya) knows the addresses of the case and the person, but has nothing to do with "
        "them: none of {times} tries shows anything. Each of them is in the ledger under that name.",
    ),
    "export": (
        "Bir liste dışarı alınır",
        "A list is taken away",
    ),
    "export.say": (
        "{who} dosya listesini istatistik için indirir: {rows} satır. Defter, dosyadaki satırların hangileri "
        "olduğunu bilir.",
        "{who} downloads the list of cases for statistics: {rows} rows. The ledger knows which rows are in the file.",
    ),
    "receipt": (
        "Denetçi bir alındı belgesi alır",
        "The auditor takes a receipt",
    ),
    "receipt.say": (
        "{auditor} JGK defterinin imzalı özetini ({size} satır) kendine saklar. Bundan sonra hiç kimse, fark "
        "edilmeden, geçmişi yeniden yazamaz.",
        "{auditor} keeps the signed checkpoint of JGK's ledger ({size} entries). From now on nobody rewrites "
        "that history unnoticed.",
    ),
    "altered": (
        "Veri tabanında bir satır değiştirilir",
        "A row is altered in the database",
    ),
    "altered.say": (
        "Veri tabanının başındaki biri, tetikleyicileri kapatıp dosyanın ilini {before} yerine {after} yapar."
        " Panel şimdi yanlışı gösterir; defterde bir satır yoktur.",
        "Somebody at the database switches the triggers off and turns the case's province from {before} into "
        "{after}. The panel shows the false one now; the ledger has no entry of it.",
    ),
    "alert": (
        "Doğrulama bulur, uyarı çıkar",
        "Verification finds it, an alert is raised",
    ),
    "alert.say": (
        "{auditor} defteri doğrulatır. Sonuç: değiştirilmiş. Uyarı dosyayı adıyla söyler: {reference}, "
        "deftere göre {before}, şimdi {after}. Başkanlıktaki {supervisor} de görür.",
        "{auditor} has the ledger verified. The verdict: tampered. The alert names the case: {reference}, by "
        "the ledger {before}, now {after}. {supervisor} of the Presidency sees it as well.",
    ),
    "proof": (
        "Kâğıttaki kanıt",
        "The proof on paper",
    ),
    "proof.say": (
        "{auditor} kanıt paketini alır: {file}. Bu sisteme güvenmeyen bağımsız doğrulayıcı: sağlam; imzalı "
        "kayda göre il {before}. Kâğıda basılacak kök özeti aşağıdaki sayfadadır.",
        "{auditor} takes the evidence away: {file}. The offline verifier, which trusts nothing of this "
        "system: intact; by what was signed the province is {before}. The root to print on paper is on the "
        "page below.",
    ),
    "undo": (
        "Değişiklik geri alınır, uyarı incelemeye alınır",
        "The alteration is taken back, the alert is dealt with",
    ),
    "undo.say": (
        "Satır yine {before}. Defter sağlam; alındı belgesi uyar: tarih o günden beri yalnızca uzadı. {auditor} "
        "uyarıyı incelemeye alır; olup biten her şey defterde kalır.",
        "The row says {before} again. The ledger is intact; the receipt agrees: since then the history has "
        "only grown. {auditor} deals with the alert; all that happened stays in the ledger.",
    ),
    "end": (
        "Öykü bitti. Yeniden oynatılabilir: her seferinde yeni bir dosya açılır.",
        "The story is over. It can be played again: each time a new case is opened.",
    ),
}  # fmt: skip


def words(key: str, language: str, **filled: object) -> str:
    return WORDS[key][LANGUAGES.index(language)].format(**filled)
