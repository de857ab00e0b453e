import MecaCore
import Testing

/// What people's terminals and spreadsheets are given.
@Suite struct TextTests {
  @Test(arguments: [
    ("plain", "plain"), ("", ""), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""),
    ("two\nlines", "\"two\nlines\""), ("c\r\nd", "\"c\r\nd\""), ("a b#1", "a b#1"),
    // A quote with a combining mark is a quote all the same.
    ("a\"\u{301},=1", "\"a\"\"\u{301},=1\""),
  ])
  func aFieldIsQuotedWhereItMustBe(field: String, expected: String) {
    #expect(csvField(field) == expected)
  }

  @Test(arguments: [
    ("ape", "ape"), ("=1+2", "'=1+2"), ("@SUM(A1)", "'@SUM(A1)"), ("-2", "'-2"), ("+x", "'+x"),
    ("a=b", "a=b"), ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
    ("two\nlines", "two?lines"), ("\t=1", "?=1"),
  ])
  func aSpreadsheetRunsNothing(field: String, expected: String) {
    #expect(csvText(field) == expected)
  }

  @Test(arguments: [
    ("猫 é e\u{301} \u{1F468}\u{200D}\u{1F469}", "猫 é e\u{301} \u{1F468}\u{200D}\u{1F469}"),
    ("\u{1B}[2Jape", "?[2Jape"), ("a\u{7}b\u{9B}c\r\nd", "a?b?c??d"), ("exe\u{202E}gpj", "exe?gpj"),
    ("\u{2066}a\u{2069}\u{200F}", "?a??"), ("a\u{2028}b\u{2029}", "a?b?"),
  ])
  func aTerminalObeysNothing(text: String, expected: String) {
    #expect(printable(text) == expected)
  }

  @Test func numbersInNamesCountAsNumbers() {
    let sorted = ["a_10", "a_2", "a", "a_02", "b1", "a_2b"].sorted {
      naturalOrder(Array($0.utf8), Array($1.utf8))
    }
    #expect(sorted == ["a", "a_02", "a_2", "a_2b", "a_10", "b1"])
  }

  @Test func longNamesOfFilesAreShortened() {
    #expect(shortened("abc") == "abc")
    #expect(shortened("a\u{1B}é") == "a??")
    #expect(shortened("abcdef", limit: 3) == "abc…")
    #expect(trimmed(" \t a b \r\n") == "a b")
  }

  @Test func aClassHasItsNameBesideItsNumber() {
    #expect(classWords(1, ["ape", "cat\u{1B}"]) == "1 (cat?)")
    #expect(classWords(7, ["ape"]) == "7")
  }
}

/// Classes named on the command line.
@Suite struct ClassReferenceTests {
  private let names = ["0", "1", "10", "11", "2", "café"]

  @Test(arguments: [
    (ClassReference.written("2"), 4), (.written("#2"), 2), (.written("10"), 2), (.written("3"), 3),
    (.written("cafe\u{301}"), 5), (.number(2), 2),
  ])
  func namesGoBeforeNumbers(reference: ClassReference, expected: Int) throws {
    #expect(try reference.number(among: names, setting: "target") == expected)
  }

  @Test(arguments: [
    ClassReference.written("6"), .written("#6"), .written("dog"), .written("#-1"), .number(6),
    .number(-1), .written("#"), .written("#café"),
  ])
  func whatIsNoClassIsRefusedWithTheClasses(reference: ClassReference) {
    #expect {
      try reference.number(among: names, setting: "target")
    } throws: { error in
      "\(error)".contains("its name or number, 0 to 5") && "\(error)".contains("5 café")
    }
  }
}

@Suite struct CSVRowsTests {
  @Test(arguments: [
    ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]), ("a\r\n\r\nb", [["a"], ["b"]]),
    ("\"x,\"\"y\"\"\nz\",2", [["x,\"y\"\nz", "2"]]), ("", []), ("\"\"\n,\n", [[""], ["", ""]]),
    ("a\"b,c", [["a\"b", "c"]]),
  ])
  func rowsAreThoseOfRFC4180(text: String, rows: [[String]]) {
    #expect(csvRows(text) == rows)
  }

  @Test func whatIsWrittenIsRead() {
    let fields = ["plain", "a,b", "say \"x\"", "two\nlines", "\"\u{301} accent", ""]
    let line = fields.map(csvField).joined(separator: ",") + "\n"
    #expect(csvRows(line + line) == [fields, fields])
    #expect(csvRows("\"open") == nil)
  }

  /// Lists come from anywhere: any bytes are rows, or none, and what rows give when written is read.
  @Test func anyTextIsRowsOrNone() throws {
    for round in 0..<2000 {
      var random = KeyedRandom(seed: 5, purpose: .test, round)
      let alphabet = Array("\"\",\r\na1\u{301}".unicodeScalars)
      let scalars = (0..<random.integer(below: 40)).map { _ in
        alphabet[random.integer(below: alphabet.count)]
      }
      let text = String(String.UnicodeScalarView(scalars))
      guard let rows = csvRows(text) else { continue }
      let written = rows.map { $0.map(csvField).joined(separator: ",") + "\n" }.joined()
      // A row of one empty field is an empty line, which is left out.
      #expect(csvRows(written) == rows.filter { $0 != [""] }, "\(scalars)")
    }
  }
}
