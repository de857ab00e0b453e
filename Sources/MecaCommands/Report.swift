import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaReport
import MecaTraining

/// Makes a run's report again, or compares runs.
struct Report: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make the report of a run again, or a page that compares runs.",
    discussion: """
      meca-dist report RUN writes RUN/report.html from what the run has left, also of one that was \
      killed. With several runs it writes a table of them to --output.
      """)

  @Argument(help: "Folders of runs (--output of the runs).")
  var runs: [String]

  @Option(
    help: "HTML file to write (default: report.html of the run; for several comparison.html).")
  var output: String?

  func validate() throws {
    if runs.isEmpty { throw ValidationError("name the folder of a run") }
    if output?.isEmpty == true { throw ValidationError("--output: must name a file") }
  }

  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      let folders = runs.map { RunFolder(path: $0) }
      let html: String
      let place: String
      if folders.count == 1 {
        html = try RunReport(folders[0]).html()
        place = output ?? folders[0].report
      } else {
        html = try RunComparison(runs).html()
        place = output ?? "comparison.html"
      }
      try writeWhole(Data(html.utf8), to: place)
      printLines("written to \(place)")
    }
  }
}
