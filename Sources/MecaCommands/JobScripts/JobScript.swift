import MecaCore

/// A run as a job of a batch scheduler: what is asked for, and the script that asks.
///
/// Every script warns the run before its time is over (USR1), and where the run has saved and ended
/// with status 75 queues the job again; submitted again unchanged, it goes on.
package struct JobScript {
  /// Machines.
  package var nodes = 1
  /// Ranks of each.
  package var ranksPerNode = 8
  /// Compute threads of each rank, one a core.
  package var threads = 1
  /// Longest time, seconds.
  package var limit = 4 * 3600
  /// Name of the job.
  package var name = "meca-dist"
  /// Queue, or partition; nil is the usual one.
  package var queue: String?
  /// What it is charged to.
  package var account: String?
  /// Numbers of a job array, for example `1-3`.
  package var array: String?
  /// Options of `meca-dist train`.
  package var options: [String] = []

  /// What the scripts in `launch` ask for.
  package init() {}

  var ranks: Int { nodes * ranksPerNode }

  /// Seconds before the end at which the scheduler warns.
  var warning: Int { min(300, limit / 4) }

  /// Seconds as `HH:MM:SS`.
  static func clock(_ seconds: Int) -> String {
    func two(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
    return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
  }

  /// The script for a scheduler.
  package func text(for scheduler: JobScheduler) -> String {
    let parts = scheduler.parts(self)
    return """
      #!/usr/bin/env bash
      \(Self.comment(parts.purpose))
      \(parts.directives.map { $0 + "\n" }.joined())set -uo pipefail
      cd "\(parts.folder)" || exit 69

      # Options of the run; those behind the script's name follow them. %a is the number in a job array.
      options=(\(options.map(shellWord).joined(separator: " ")))
      # Modules of your site, if it has some:
      # module load openmpi openblas
      # Data that each node copies to a disk of its own first, and the folder that it gets there.
      stage_from=
      stage_to=

      program=${MECA_PROGRAM:-.build/release/meca-dist}
      # A host that is lost: mpirun looks after 20 s of silence and ends the job after 40 (else hours later).
      export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5
      export OMPI_MCA_oob_tcp_keepalive_probes=4
      \(parts.launch)

      if [ ! -x "$program" ]; then
        echo "$program is not there: build it with swift build -c release, or set MECA_PROGRAM" >&2
        exit 69
      fi
      if [ -n "$stage_from" ]; then
        # shellcheck disable=SC2016
        "${once[@]}" sh -c 'mkdir -p "$2" && cp -ru "$1" "$2"' stage "$stage_from" "$stage_to" || exit 74
      fi
      options+=("$@")
      # In the background: a shell hears of signals only while it waits.
      "${launch[@]}" "$program" --threads "$threads" "${options[@]//%a/$index}" &
      run=$!
      trap 'echo "told to end: the run saves" >&2; kill -USR1 "$run"' \(parts.signals)
      while true; do
        wait "$run"
        status=$?
        kill -0 "$run" 2>/dev/null || break
      done
      \(parts.end)

      """
  }

  /// Lines as comments.
  private static func comment(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "#" : "# \($0)" }.joined(separator: "\n")
  }
}

/// What of a script differs between schedulers.
struct JobScriptParts {
  /// What it does and how it is submitted; the head's comment.
  var purpose: String
  /// Lines that the scheduler reads.
  var directives: [String]
  /// Shell expression of the folder that it was submitted from.
  var folder: String
  /// Sets `threads`, `launch`, `once` (one process a node) and `index`, and adds the deadline.
  var launch: String
  /// What the shell passes on to the run as USR1.
  var signals = "USR1 USR2 TERM INT XCPU"
  /// What follows the run, whose status is in `status`.
  var end: String
}

/// Whether a text means itself wherever a shell or a scheduler reads it.
func isPlainWord(_ text: String) -> Bool {
  !text.isEmpty
    && text.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "_./,+-=:@%".utf8.contains(byte)
    }
}

/// A text as one word of a shell.
func shellWord(_ text: String) -> String {
  isPlainWord(text) ? text : "'" + text.replacing("'", with: #"'\''"#) + "'"
}
