import Glibc

/// One unbuffered line on standard error: pieces of several ranks' lines cannot mix.
///
/// What a file's name or content brings along cannot break the line: see ``oneLine(_:)``. A terminal
/// that has gone away is no reason to fail.
///
/// - Ranks: local.
public func writeLine(_ text: String) {
  let line = Array("\(oneLine(text))\n".utf8)
  LiveLine.above {
    line.withUnsafeBytes { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }
}

/// A text without line breaks and tabs, which become spaces, and without anything else that a
/// terminal obeys: see ``printable(_:)``.
package func oneLine(_ text: String) -> String {
  printable(
    text.split(whereSeparator: \.isNewline).joined(separator: " ").replacing("\t", with: " "))
}

/// Text for a person on standard output, line by line without anything that a terminal obeys.
///
/// - Ranks: local.
public func printLines(_ text: String) {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  LiveLine.above { print(lines.map { printable(String($0)) }.joined(separator: "\n")) }
}

/// The line of an error or a warning, with the program's name before it.
///
/// - Ranks: local.
public func complain(_ text: String) { writeLine("meca-dist: \(text)") }
