/// A field of a comma-separated file, in quotes where RFC 4180 asks for it.
package func csvField(_ field: String) -> String {
  let special: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13]
  guard field.utf8.contains(where: special.contains) else { return field }
  // By scalars: a quote with a combining mark is one character, and not equal to a quote.
  let doubled = field.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined()
  return "\"" + doubled + "\""
}

/// A text as a field of a file that people open in a terminal or a spreadsheet.
///
/// Nothing in it is obeyed by a terminal (``printable(_:)``); and where it begins like a formula, an
/// apostrophe goes before it, which spreadsheets do not show.
///
/// Example: `=1+2` becomes `'=1+2`.
package func csvText(_ text: String) -> String {
  let shown = printable(text)
  let isFormula = shown.unicodeScalars.first.map { "=+-@".unicodeScalars.contains($0) } == true
  return csvField(isFormula ? "'" + shown : shown)
}
