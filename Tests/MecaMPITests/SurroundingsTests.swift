import MecaMPI
import Testing

/// What a process makes of how it was started.
@Suite struct SurroundingsTests {
  @Test func processesOfSrunThatDoNotKnowOfEachOtherAreToldSo() throws {
    let step = ["SLURM_STEP_ID": "0", "SLURM_NTASKS": "4"]
    let error = try #require(UnconnectedRanks(size: 1, step))
    #expect(error.count == 4 && error.exitCode == .usage)
    #expect(error.description.contains("srun --mpi=pmix"))
    // A step may be smaller than its job.
    #expect(UnconnectedRanks(size: 1, step.merging(["SLURM_STEP_NUM_TASKS": "1"]) { $1 }) == nil)
  }

  @Test(arguments: [
    (4, [:]), (1, ["OMPI_COMM_WORLD_SIZE": "1"]), (1, ["PMIX_RANK": "0"]),
    (1, ["SLURM_NTASKS": "1"]),
  ])
  func allOthersAreWell(size: Int, more: [String: String]) {
    let step = ["SLURM_STEP_ID": "0", "SLURM_NTASKS": "4"]
    #expect(UnconnectedRanks(size: size, step.merging(more) { $1 }) == nil)
    #expect(UnconnectedRanks(size: 1, ["SLURM_NTASKS": "4"]) == nil)
  }
}
