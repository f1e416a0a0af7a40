// swift-tools-version: 6.2
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioFoundation = Target.Dependency.product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// A room: one target whose imports are all listed here.
func room(
    _ name: String, _ dependencies: [Target.Dependency], path: String? = nil, resources: [Resource]? = nil
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path ?? "Sources/\(name)", resources: resources,
        swiftSettings: strict)
}

/// - Parameter data: what tests read where it lies.
func test(_ name: String, _ dependencies: [Target.Dependency], data: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: data, swiftSettings: strict)
}

let targets: [Target] = [
    // C: module maps and thin shims; each is imported by one room.
    .systemLibrary(name: "CLinux", path: "Sources/C/CLinux"),
    .systemLibrary(name: "CPostgres", path: "Sources/C/CPostgres"),
    .systemLibrary(name: "CHiredis", path: "Sources/C/CHiredis"),
    .systemLibrary(name: "COpenSSL", path: "Sources/C/COpenSSL"),
    .systemLibrary(name: "CSystemd", path: "Sources/C/CSystemd"),
    .systemLibrary(name: "CCsv", path: "Sources/C/CCsv"),
    .systemLibrary(name: "CZlib", path: "Sources/C/CZlib"),
    .systemLibrary(name: "CArchive", path: "Sources/C/CArchive"),
    .target(
        name: "CPhoneNumber", path: "Sources/C/CPhoneNumber",
        linkerSettings: [.linkedLibrary("phonenumber")]),

    // What every room stands on.
    room("Kernel", []),
    room("Contract", ["Kernel"]),
    room("Reactor", ["CLinux", "Kernel"]),
    room("Postgres", ["CPostgres", "Reactor", "Kernel", logging]),
    room("Redis", ["CHiredis", "Reactor", "Kernel", logging]),
    room("Sealing", ["COpenSSL", "Kernel"]),
    room(
        "ControlSchema", [], path: "Sources/Schema/control", resources: [.embedInCode("current.sql")]),
    room("TenantSchema", [], path: "Sources/Schema/tenant", resources: [.embedInCode("current.sql")]),
    room("Workflow", ["Postgres", "Reactor", "Kernel", logging]),
    room(
        "Supervision",
        [
            "CLinux", "CSystemd", "Reactor", "Contract", "Kernel", logging, lifecycle, subprocess,
            systemPackage,
        ]),
    // restic keeps backups, libarchive writes and reads what they consist of.
    room("Backup", ["CArchive", "Sealing", "Contract", "Kernel", subprocess, systemPackage]),
    room("Embedded", ["CLinux", "Supervision", "Sealing", "Kernel", logging, mustache]),
    room(
        "Web",
        [
            "CZlib", "Contract", "Sealing", "Kernel", hummingbird, lifecycle, logging, metrics, nio, nioPosix,
            nioHTTP, nioFoundation,
            .product(name: "HTTPTypes", package: "swift-http-types"),
            .product(name: "NIOExtras", package: "swift-nio-extras"),
            .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            .product(name: "HummingbirdCore", package: "hummingbird"),
        ]),

    // The data plane.
    room(
        "Events",
        ["Postgres", "Reactor", "Redis", "Workflow", "Contract", "Kernel", lifecycle, logging, metrics]),
    room("Customers", ["CPhoneNumber", "Events", "Postgres", "Contract", "Kernel"]),
    room("Commerce", ["Customers", "Events", "Postgres", "Contract", "Kernel"]),
    room(
        "Integrations",
        [
            "CCsv", "Events", "Customers", "Commerce", "Postgres", "Sealing", "Contract", "Kernel", lifecycle,
            logging, metrics,
        ]),
    room(
        "DataPlane",
        [
            "Events", "Customers", "Commerce", "Integrations", "Web", "Workflow", "Contract", "Postgres",
            "Redis",
            "Reactor", "Sealing", "TenantSchema", "Supervision", "Kernel", hummingbird, lifecycle, logging,
            metrics, nio,
        ], resources: [.embedInCode("openapi.yaml"), .embedInCode("Tracker/constintel-tracker.js")]),

    // The control plane.
    room(
        "ControlPlane",
        [
            "Backup", "Contract", "ControlSchema", "TenantSchema", "Postgres", "Redis", "Sealing", "Workflow",
            "Supervision",
            "Web", "Embedded", "Kernel", "Reactor", httpClient, hummingbird, lifecycle, logging, metrics,
            nio,
        ], resources: [.embedInCode("openapi.yaml")]),
    room("ConstIntelCommand", ["Contract", "Sealing", "Kernel", argumentParser, httpClient, nio, nioPosix]),

    // The executables.
    .executableTarget(
        name: "constinteld",
        dependencies: ["ControlPlane", "Web", "Kernel", argumentParser, logging, metrics],
        path: "Sources/constinteld", swiftSettings: strict),
    .executableTarget(
        name: "constintel-instance",
        dependencies: ["DataPlane", "Web", "Contract", "Kernel", argumentParser, logging, metrics],
        path: "Sources/constintel-instance", swiftSettings: strict),
    .executableTarget(
        name: "constintel", dependencies: ["ConstIntelCommand"], path: "Sources/constintel",
        swiftSettings: strict),

    // Tests.
    room(
        "TestSupport",
        ["CZlib", "Postgres", "Redis", "Reactor", "Sealing", "Kernel", subprocess, systemPackage, yams],
        path: "Tests/TestSupport"),
    .target(
        name: "TestHistories",
        dependencies: ["Customers", "Events", "Contract", "Kernel", "TestSupport"],
        path: "Tests/TestHistories", swiftSettings: strict),
    test("KernelTests", ["Kernel", "TestSupport"]),
    test("PostgresTests", ["Postgres", "Reactor", "Kernel", logging]),
    test("RedisTests", ["Redis", "Reactor", "Kernel", logging]),
    test("CPhoneNumberTests", ["CPhoneNumber"]),
    test("SealingTests", ["Sealing", "Kernel", "TestSupport"], data: ["Vectors"]),
    test("BackupTests", ["Backup", "Kernel", subprocess]),
    test("SupervisionTests", ["Supervision", "Reactor", "Kernel", lifecycle, logging]),
    test("EmbeddedTests", ["Embedded", "Supervision", "Sealing", "Contract", "Kernel", logging]),
    test("WorkflowTests", ["Workflow", "ControlSchema", "Postgres", "Kernel", "TestSupport", logging]),
    test("EventsTests", ["Events", "Contract", "Kernel", "TestSupport"]),
    test("IntegrationsTests", ["Integrations", "Events", "Contract", "Kernel", "TestSupport"]),
    test(
        "CustomersTests",
        ["Customers", "Events", "Contract", "Kernel", "TestHistories", "TestSupport"]),
    test(
        "DataPlaneTests",
        [
            "DataPlane", "Events", "Customers", "Commerce", "Integrations", "TenantSchema", "Postgres",
            "Redis",
            "Reactor", "Sealing", "Web", "Contract", "Kernel", "TestHistories", "TestSupport", httpClient,
            lifecycle, logging,
            nio,
        ]),
    test(
        "ControlPlaneTests",
        [
            "ControlPlane", "Backup", "ControlSchema", "TenantSchema", "Postgres", "Redis", "Sealing",
            "Workflow", "Supervision", "Web", "Contract", "Kernel", "TestSupport", "TestHistories", "Events",
            "Customers", "Commerce", httpClient, hummingbird, lifecycle, logging, nio, subprocess, systemPackage,
            .product(name: "HummingbirdTesting", package: "hummingbird"),
        ]),
    test(
        "ConstIntelCommandTests",
        [
            "ConstIntelCommand", "Contract", "Kernel", "TestSupport", argumentParser, hummingbird, nio,
            logging,
        ]),
    test(
        "WebTests",
        [
            "Web", "Kernel", "TestSupport", hummingbird, logging, metrics,
            .product(name: "HummingbirdTesting", package: "hummingbird"),
        ]),
    test("TidyTests", []),
    test(
        "Journeys",
        [
            "Contract", "Postgres", "Redis", "Kernel", "TestSupport", httpClient, nio, subprocess,
            systemPackage,
        ],
        data: [
            "Contract/hooks.py", "Segment/send.py", "Uploads/send.py", "Tracker/journeys.py",
            "Tracker/run.py",
            "Tracker/shop.html", "Tracker/shop.py",
        ]),
]

let package = Package(
    name: "constintel",
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        // Reads openapi.yaml in tests.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets,
    cxxLanguageStandard: .cxx17
)
