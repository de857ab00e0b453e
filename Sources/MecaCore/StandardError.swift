import Glibc

/// One unbuffered line on standard error: pieces of several ranks' lines cannot mix.
///
/// What a file's name or content brings along cannot break the line: see ``oneLine(_:)``. A terminal
/// that has gone away is no reason to fail.
///
/// - Ranks: local.
public func writeLine(_ text: String) {
  let line = Array("\(oneLine(text))\n".utf8)
  line.withUnsafeBytes { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
}

/// A text without line breaks, which become spaces, and without control characters, which become
/// `?` (tabs: spaces).
package func oneLine(_ text: String) -> String {
  let joined = text.split(whereSeparator: \.isNewline).joined(separator: " ")
  let shown = joined.unicodeScalars.map { scalar -> Unicode.Scalar in
    guard scalar.properties.generalCategory == .control else { return scalar }
    return scalar == "\t" ? " " : "?"
  }
  return String(String.UnicodeScalarView(shown))
}

/// The line of an error or a warning, with the program's name before it.
///
/// - Ranks: local.
public func complain(_ text: String) { writeLine("meca-dist: \(text)") }
