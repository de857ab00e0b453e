import Glibc
import Synchronization

/// The last line of a terminal on standard error, which changes in place while work goes on.
///
/// Every line that ``writeLine(_:)`` and ``printLines(_:)`` put out comes above it. Elsewhere than on
/// a terminal nothing is shown.
///
/// - Ranks: local.
public enum LiveLine {
  private static let text = Mutex<String>("")

  /// Whether standard error is a terminal that can move its cursor.
  public static let isPossible: Bool = {
    guard isatty(STDERR_FILENO) == 1, let terminal = getenv("TERM") else { return false }
    return String(cString: terminal) != "dumb"
  }()

  /// Shows `line` in place of the one before.
  public static func show(_ line: String) {
    guard isPossible else { return }
    text.withLock {
      $0 = oneLine(line)
      put(drawn($0))
    }
  }

  /// Takes the line away.
  public static func clear() {
    guard isPossible else { return }
    text.withLock {
      if !$0.isEmpty { put(erasure) }
      $0 = ""
    }
  }

  /// Runs `work`, which puts lines out, above the live one.
  static func above(_ work: () -> Void) {
    guard isPossible else { return work() }
    text.withLock {
      if !$0.isEmpty { put(erasure) }
      work()
      if !$0.isEmpty { put(drawn($0)) }
    }
  }

  private static let erasure = "\r\u{1B}[2K"

  /// The line, cut to the terminal's width: a longer one could not be taken away again.
  private static func drawn(_ line: String) -> String {
    var size = winsize()
    let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1
    return erasure + line.prefix(isKnown ? Int(size.ws_col) - 1 : 79)
  }

  private static func put(_ text: String) {
    var bytes = Array(text.utf8)
    _ = write(STDERR_FILENO, &bytes, bytes.count)
  }
}
