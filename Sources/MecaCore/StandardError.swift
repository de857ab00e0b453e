import Glibc

/// One unbuffered line on standard error: pieces of several ranks' lines cannot mix.
///
/// A terminal that has gone away is no reason to fail.
///
/// - Ranks: local.
public func writeLine(_ text: String) {
  let line = Array("\(text)\n".utf8)
  line.withUnsafeBytes { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
}

/// The line of an error or a warning, with the program's name before it.
///
/// - Ranks: local.
public func complain(_ text: String) { writeLine("meca-dist: \(text)") }
