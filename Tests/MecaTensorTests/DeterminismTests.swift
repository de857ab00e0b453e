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

  /// The engines compute on the calling threads alone, whatever their library would like.
  @Test(arguments: EngineKind.available)
  func startsNoThreadsOfItsOwn(kind: EngineKind) async throws {
    let engine = try makeEngine(kind)
    let names = Mutex<Set<String>>([])
    let shape = networkShapes[4]
    let before = try threadNumbers()
    let lanes = (0..<2).map { _ in
      Lane {
        engine.enterThread()
        guard let run = try? ConvolutionRun(engine, shape) else { return }
        names.withLock { $0.formUnion(run.kernelNames) }
      }
    }
    for lane in lanes { lane.join() }
    #expect(!names.withLock { $0.isEmpty })
    // Helper threads of OpenMP and of OpenBLAS stay alive; lanes are gone. Swift's own pool may
    // grow in between, but its threads have a name of their own pool or the test runner's.
    let started = try threadNumbers().subtracting(before)
    #expect(started.isEmpty, "\(started.count) threads stayed")
  }

  private func threadNumbers() throws -> Set<Int32> {
    let folder = try #require(opendir("/proc/self/task"))
    defer { closedir(folder) }
    var numbers: Set<Int32> = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if let number = Int32(name) { numbers.insert(number) }
    }
    return numbers
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
