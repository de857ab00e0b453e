import CMecaShims
import MecaCore

/// A call to MPI failed: a rank or the network is gone, or the arguments of the ranks disagree.
public struct MPIError: ReportableError, Equatable {
  /// The function of MPI, for example `MPI_Bcast`.
  public let operation: String
  /// MPI's error code.
  public let code: Int32
  /// What is wrong and what to look for; MPI's own words where it has some.
  public let text: String

  /// Input or output failed (74).
  public var exitCode: ExitCode { .inputOutput }

  /// What failed, and why, in one line.
  public var description: String {
    "\(operation) failed: \(text)"
  }
}

/// Turns MPI's error code into a thrown ``MPIError``; every call of this module goes through it.
func check(_ code: Int32, _ operation: String) throws {
  guard code != 0 else { return }
  let text = textFromC { meca_error_text(code, $0, $1) }
  throw MPIError(
    operation: operation, code: code,
    text: "\(text); look for a rank that ended or a host that cannot be reached")
}

/// The text that a C function writes into a buffer of the given capacity, zero at its end.
func textFromC(_ write: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
  let capacity = 1024
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
    buffer.initialize(repeating: 0)
    write(buffer.baseAddress!, capacity)
    return String(cString: buffer.baseAddress!)
  }
}
