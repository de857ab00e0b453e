import Glibc
import MecaCore
import MecaTensor
import Synchronization
import Testing

@Suite struct DeterminismTests {
  /// Two objects of equal shape, on one thread and on two at once, give the same bits.
  @Test(arguments: EngineKind.available, networkShapes)
  func sameBitsForEqualInputs(kind: EngineKind, shape: ConvolutionShape) async throws {
    let engine = try makeEngine(kind)
    let first = try ConvolutionRun(engine, shape)
    #expect(try ConvolutionRun(engine, shape) == first)
    let results = await withTaskGroup(of: ConvolutionRun?.self) { group in
      for _ in 0..<2 { group.addTask { try? ConvolutionRun(engine, shape) } }
      return await group.reduce(into: [ConvolutionRun?]()) { $0.append($1) }
    }
    #expect(results == [first, first])
  }

  #if MECA_ONEDNN
    @Test func oneDNNStartsNoThreads() async {
      await #expect(processExitsWith: .success) { try requireNoThreads(.onednn) }
    }
  #endif

  @Test func openBLASStartsNoThreads() async {
    await #expect(processExitsWith: .success) { try requireNoThreads(.openblas) }
  }

  @Test func fingerprintNamesTheLibrary() throws {
    for kind in EngineKind.available {
      let engine = try makeEngine(kind)
      #expect(engine.kind == kind)
      #expect(engine.fingerprint == (try makeEngine(kind)).fingerprint)
      #expect(engine.fingerprint.hasPrefix(kind == .onednn ? "oneDNN " : "OpenBLAS core "))
    }
  }
}

/// Ends the process unless the engine computes on the calling threads alone.
///
/// In a process of its own, since other tests start threads too. Helpers of OpenMP and OpenBLAS
/// stay alive when the lanes that called them are gone, so that they can be counted afterwards.
func requireNoThreads(_ kind: EngineKind) throws {
  let engine = try makeEngine(kind)
  let finished = Mutex(0)
  let before = try threadCount()
  // 64 channels at 8x8 and batch 16: large enough for either library to want helpers.
  let lanes = (0..<2).map { _ in
    Lane {
      if (try? ConvolutionRun(engine, networkShapes[4])) != nil { finished.withLock { $0 += 1 } }
    }
  }
  for lane in lanes { lane.join() }
  precondition(finished.withLock { $0 } == 2, "a lane failed")
  let after = try threadCount()
  precondition(after == before, "\(after) threads after, \(before) before")
}

private func threadCount() throws -> Int {
  guard let folder = opendir("/proc/self/task") else {
    throw FileError.missing(path: "/proc/self/task", hint: "Linux has it")
  }
  defer { closedir(folder) }
  var count = 0
  while let entry = readdir(folder) {
    // Names are numbers, but for "." and "..".
    if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
  }
  return count
}

/// A plain POSIX thread that runs one closure.
final class Lane {
  private var thread = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Box(body))
    pthread_create(
      &thread, nil,
      { argument in
        if let argument {
          Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
        }
        return nil
      }, box.toOpaque())
  }

  func join() { pthread_join(thread, nil) }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
