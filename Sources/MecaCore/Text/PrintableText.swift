/// A text that comes from a file or a file's name, fit for a person's terminal: one line, without
/// anything that a terminal obeys.
///
/// Control characters (escape sequences, line breaks), separators of lines and paragraphs, and the
/// marks that turn the direction of writing become question marks. Everything else stays, so that
/// names in any script can be read.
package func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isObeyed) else { return text }
  return String(String.UnicodeScalarView(text.unicodeScalars.map { isObeyed($0) ? "?" : $0 }))
}

/// The same for the bytes of a path, which need not be UTF-8.
package func printable(_ path: some Collection<UInt8>) -> String {
  printable(String(decoding: path, as: UTF8.self))
}

/// Whether a terminal may do something else with a character than show it.
private func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: true
  // Among these the marks of direction: U+202A to U+202E, U+2066 to U+2069.
  case .format: scalar.properties.isBidiControl
  default: false
  }
}

/// A name out of a file as part of an error line: ASCII and short.
package func shortened(_ name: String, limit: Int = 80) -> String {
  let shown = name.unicodeScalars.prefix(limit).map { scalar -> String in
    let isPlain = scalar.isASCII && (0x20...0x7E).contains(scalar.value)
    return isPlain ? String(scalar) : "?"
  }
  return shown.joined() + (name.unicodeScalars.count > limit ? "…" : "")
}

/// A line without the white space around it.
package func trimmed(_ line: Substring) -> String {
  var line = line
  while line.first?.isWhitespace == true { line.removeFirst() }
  while line.last?.isWhitespace == true { line.removeLast() }
  return String(line)
}
