import CMecaShims
import Glibc
import MecaCore

/// Prepares Open MPI for what this process may not do.
///
/// In containers without SYS_PTRACE processes cannot copy each other's memory; Open MPI tries all the
/// same, and complains of every copy ("Read -1, expected …") before it takes another way. One copy
/// from this process to itself tells whether that is so.
///
/// Call it before MPI starts. What the user has set stays.
func prepareSurroundings() {
  let setting = "OMPI_MCA_btl_vader_single_copy_mechanism"
  if getenv(setting) == nil, meca_may_copy_memory() == 0 { setenv(setting, "none", 0) }
}

/// Whether processes of this user may copy each other's memory, which makes exchanges within a machine
/// faster.
///
/// - Ranks: local.
public func mayCopyMemory() -> Bool { meca_may_copy_memory() != 0 }

/// Name and version of the MPI library, in its own words; the first line or sentence.
///
/// - Ranks: local.
public func libraryVersion() -> String {
  let text = textFromC { _ = meca_library_version($0, $1) }
  return String(text.prefix { $0 != "," && !$0.isNewline })
}

/// `srun` has started several processes that do not know of each other.
///
/// Each would take itself for the only rank, and all would write the same files.
public struct UnconnectedRanks: ReportableError {
  /// Number of processes that Slurm has started.
  public let count: Int

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people.
  public var description: String {
    "srun has started \(count) processes, but MPI sees one alone: start them with srun --mpi=pmix "
      + "(srun --mpi=list says what this Slurm has), or with mpirun inside of the job"
  }

  /// The error for what the environment says; nil where all is well.
  ///
  /// - Parameters:
  ///   - size: ranks that MPI sees.
  ///   - variables: what `variables()` gave before MPI started.
  package init?(size: Int, _ variables: [String: String]) {
    // Slurm says of a step's processes how many there are; a launcher of MPI would have said that it
    // started this one.
    guard size == 1, variables["SLURM_STEP_ID"] != nil,
      variables["OMPI_COMM_WORLD_SIZE"] == nil, variables["PMIX_RANK"] == nil,
      let text = variables["SLURM_STEP_NUM_TASKS"] ?? variables["SLURM_NTASKS"],
      let count = Int(text), count > 1
    else { return nil }
    self.count = count
  }

  /// What the environment says of who has started this process.
  static func variables() -> [String: String] {
    let names = [
      "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",
    ]
    return names.reduce(into: [:]) { values, name in
      values[name] = getenv(name).map { String(cString: $0) }
    }
  }
}
