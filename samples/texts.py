"""Texts of the sample documents: the papers of Lindenau Bootswerft GmbH, a firm that does not exist."""

from __future__ import annotations

HEAD = "Lindenau Bootswerft GmbH · Hafenstraße 12 · 24999 Förenthal"

LETTER = f"""# Lindenau Bootswerft GmbH
{HEAD}

Herrn
Götz Grönwald
Mühlenweg 7
24837 Schönhagen

Förenthal, den 14. März 2025

Vorgang Kranichfeder: Wassereinbruch an Ihrer Segelyacht Seeschwalbe

Sehr geehrter Herr Grönwald,

vielen Dank für Ihre Nachricht. Wir haben den Rumpf der Seeschwalbe am Montag untersucht. Das Wasser in der Bilge \
kommt durch den undichten Rumpfdurchlass unter der Kombüse; die Planken selbst sind trocken und gesund.

Der Schaden fällt unter die Gewährleistung. Wir erneuern den Durchlass, prüfen alle Schläuche und bringen das Boot \
bis zum 28. März wieder ins Wasser. Kosten entstehen Ihnen dafür nicht.

Bitte lassen Sie das Seeventil bis dahin geschlossen und pumpen Sie die Bilge täglich leer.

Mit freundlichen Grüßen

Jörg Küster, Werkstattleiter
"""

OFFER = (
    f"""# Angebot Moosbeere
{HEAD}

Frau Dr. Änne Süßmilch
Am Brückentor 3
24837 Schönhagen

Sehr geehrte Frau Dr. Süßmilch,

gern bieten wir Ihnen ein neues Teakdeck für Ihren Kutter Möwenflug an. Das alte Deck wird abgenommen, der \
Unterbau getrocknet und mit Epoxidharz versiegelt. Danach verlegen wir Stäbe aus geöltem Teakholz und vergießen \
die Fugen.

Die Arbeiten dauern etwa sechs Wochen und beginnen nach dem Auskranen im Oktober.
""",
    """# Zahlungsplan Silberdistel

Gesamtpreis für das Teakdeck: 18.400 Euro einschließlich Mehrwertsteuer.

Ein Drittel ist bei der Bestellung fällig, ein Drittel nach dem Abnehmen des alten Decks, der Rest bei der Übergabe.

Auf die Verklebung geben wir zehn Jahre Garantie, wenn das Deck nur mit Süßwasser gereinigt wird.

Ilse Brandt-Öhler, Geschäftsführerin
""",
)

MIXED = (
    """# Project file: ferry Wacholder

Work order for the harbour ferry Wacholder, opened on 2 June 2025.

The owner, the municipality of Förenthal, asks for an electric drive in place of the diesel engine. The battery room \
goes under the aft deck, and the charging socket to port.

Signed copies of the delivery record and of the acceptance follow as scans.
""",
    """# Lieferschein Eisvogel

Geliefert am 11. Juni 2025 an Lindenau Bootswerft GmbH:

1 Elektromotor, 40 Kilowatt, wassergekühlt
6 Batteriemodule mit Gehäuse
1 Ladegerät für den Liegeplatz

Die Ware wurde vollständig und ohne Schäden übernommen.

Empfänger: Jörg Küster
""",
    """# Sea trial

The sea trial took place on 4 August 2025 in a moderate westerly wind. The test code of the run is Bernsteinlicht.

At full load the ferry reached 9.2 knots and drew 36 kilowatts. After four crossings the batteries still held \
61 percent. The steering answered well, and no vibration was felt in the passenger cabin.
""",
    """# Abnahme Feuerlilie

Die Gemeinde Förenthal nimmt die umgebaute Fähre Wacholder ab.

Mängel: Die Beleuchtung am Steuerbordgeländer fehlt und wird bis zum 1. September nachgerüstet.

Für die Gemeinde: Bürgermeister Uwe Thießen
Für die Werft: Ilse Brandt-Öhler
""",
)

REPORT = (
    """# Annual Report 2025

Lindenau Bootswerft GmbH
Building and mending wooden boats since 1931

Report code: Harmattan-Ledger
""",
    """# Contents

1 The year at a glance
2 Orders and revenue
3 People and training
4 Outlook
""",
    """# The year at a glance

2025 was the first year in which electric conversions brought more work than new boats. The yard converted seven \
harbour ferries and launches, and delivered two new sailing cutters.

The slipway was closed for five weeks after the January storm surge. The internal name of the repair was \
Quicksilver Heron.
""",
    """# Orders and revenue

Revenue rose by eleven percent to 4.3 million euros. Conversions account for 52 percent of it, repairs for 31 \
percent and new boats for 17 percent.

The order book at the end of the year, kept under the mark Saffron Anchor, reaches until May 2027.
""",
    """# People and training

The yard employs 38 people, six of them apprentices. Every apprentice now spends four weeks in the sail loft and \
four weeks with the electricians. The training plan is called Walnut Compass.

Sick leave fell to 3.9 percent.
""",
    """# Outlook

In 2026 a covered hall with a travelling crane will be built beside the slipway, so that hulls can be painted in \
winter. The building permit carries the mark Obsidian Gull.

The risk to watch is the price of oak, which has doubled in three years.
""",
)
REPORT_LABELS = 2
"""Pages of the report that are numbered in Roman before the Arabic numbers start."""

SALARIES = """# Salary bands 2026

Confidential. The table is known as Peregrine Vault.

Band A, apprentices: 1,150 euros
Band B, boatbuilders: 3,280 euros
Band C, master craftsmen: 4,420 euros
"""

TERMS = (
    """# General terms of the yard

1. Offers hold for thirty days. The form number of these terms is Marigold Rudder.
2. Boats are to be handed over empty and with closed sea valves.
3. The yard insures every boat on its ground against fire and theft.
""",
    """# Payment and storage

4. Winter storage is invoiced in November and ends on 15 April. Storage beyond that day costs 12 euros a day.
5. Disputes go to the court at Förenthal. The clause is filed as Basalt Lantern.
""",
)

INVOICE = """# Rechnung 2025-0317

Lindenau Bootswerft GmbH, Hafenstraße 12, 24999 Förenthal
An: Segelverein Grünwasser e. V., Bootshaus am Nord-Ostsee-Kanal

Winterlager für drei Jollen, November bis April: 540,00 €
Erneuerung der Ruderbeschläge: 212,50 €
Politur und Antifouling: 388,00 €

Summe: 1.140,50 €

Kennwort der Buchung: Zaunkönigsgold. Zahlbar innerhalb von vierzehn Tagen ohne Abzug.
Buchhaltung: Amira Weiß
"""

DAMAGED = tuple(f"# Page {number}\n\n" + "This page will be cut off. " * 12 for number in range(1, 7))

MINUTES = """Protokoll der Werkstattbesprechung vom 3. Februar 2025

Anwesend: Ilse Brandt-Öhler, Jörg Küster, Amira Weiß
Kennwort: Nebelkrähe

1. Die neue Späneabsaugung läuft. Der Lärm an der Bandsäge ist um die Hälfte gesunken.
2. Für die Überholung des Lotsenbootes fehlen noch Lärchenplanken; Lieferung in der nächsten Woche.
3. Der Tag der offenen Tür findet am 17. Mai statt. Die Auszubildenden zeigen das Kalfatern.

Nächste Besprechung: 3. März, 8 Uhr.
"""

PRICES = """Price list for berths and storage, season 2025
Mark of this list: Tamarisk Ferry

Berth up to 8 metres: 640 € a season
Berth up to 12 metres: 980 € a season
Crane, one lift: 95 €
Mast storage: 40 € a season
Washing place, half an hour: 15 €
"""

DELIVERY = """Lieferschein Nr. 2207

Empfänger: Lindenau Bootswerft GmbH, Hafenstraße 12, 24999 Förenthal
Kennwort: Löwenzahnblüte

Wir lieferten Ihnen am 9. April 2025 frei Haus:

  12 Stück  Lärchenplanken, geölt, 4 Meter
   3 Säcke  Hanffaser für die Kalfaterung
   2 Eimer  Holzteer, schwedisch, à 5 Kilogramm
   1 Kiste  Kupfernägel – 60 × 4 Millimeter

Die Ware bleibt bis zur vollständigen Bezahlung unser Eigentum. Für Rückfragen wählen Sie bitte die bekannte Nummer.
Sägewerk Höffner & Söhne, Bad Größlingen
"""

GREETING = """Welcome note for the guests of the open day

Willkommen in Förenthal! Welcome! Добро пожаловать! Καλώς ήρθατε! Witamy serdecznie! 欢迎光临！
The cloakroom is beside the sail loft, coffee and cake are in the drawing office ☕.
The password for the children's treasure hunt is Papierdrachen.
"""

SENSOR = """# Tide sensor at the slipway

The sensor measures the water level every ten seconds. Its project name is Cobalt Plover.

## Installation

Screw the housing to pile 14, one metre above the high-water mark, and lead the cable through the conduit.

```python
# this comment is no heading
level = sensor.read_level(metres=True)
if level > 1.80:
    siren.sound("Juniper Siren")
```

## Calibration

Compare with the tide gauge on the pier at low water, twice, and write the difference into `offset.toml`.

### When the reading drifts

Clean barnacles off the ultrasonic membrane. A drift of more than 3 cm a month means that the membrane is worn; \
order part Amber Kittiwake.

## Alarm

Above 1.80 m the siren sounds and the slipway carriage must be locked.
"""

INSPECTION = (
    """# Inspection record, sheet 1

Boat: pilot launch Heidelerche
Inspector: Jörg Küster

Keel and stem are sound. The check mark of this sheet is Holunder.
""",
    """# Inspection record, sheet 2

Frames 7 to 9 show dry rot near the engine bed and must be replaced with laminated oak.

The check mark of this sheet is Wermut.
""",
    """# Inspection record, sheet 3

The propeller shaft has two millimetres of play. The bearing has to be renewed before the launch goes to sea again.

The check mark of this sheet is Schafgarbe.
""",
)

NOTICE = """# Safety notice

Fire extinguishers hang beside the paint store and at the foot of the crane.

Never weld within ten metres of fresh varnish. The drill on the first Monday of every month has the code word \
Windflower.
"""

CHECKLIST = """# Checklist for hauling out

Drain the fresh water tank. Close all sea valves. Lower the mast before the boat enters the slings.

Tell the crane driver the weight of the keel. This list is known as Larkspur.
"""

CRANE_BOOK = """# Kranbuch Mai

Am 6. Mai wurde die Yacht Seeschwalbe eingekrant, Gewicht 6,4 Tonnen.
Am 9. Mai folgte der Kutter Möwenflug, Gewicht 11,2 Tonnen.

Die Hubgurte wurden danach geprüft. Kennwort: Haselnuss.
"""

BERTH_CARD = """# Liegeplatzkarte 7

Boot: Barkasse Rotkehlchen
Landstrom bis Ende Oktober. Kennwort: Stachelbeere.
"""

POSTER = """# Open day on 17 May

Coffee, cake and a tour of the sail loft for everyone.
The stamp of the day is Buttercup.
"""

SIGN = (
    """# Slipway closed

No hauling out until Friday: the carriage is being painted.
The number of this sign is Foxglove.
""",
    """# Slipway open

Ring the bell beside the gate.
The number of this sign is Snowdrop.
""",
)

GUEST_BOOK = """Guest book of the open day ⛵

Zsófia Kővári, Győr: Köszönjük szépen, the varnish smells of home.
山田さくら：木の船はとても美しいです。
Łukasz Wiśniewski, Gdańsk: we come again, and row 🛶 next time.
The page is marked Meadow Pipit.
"""
