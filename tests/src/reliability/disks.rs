//! Disks that lose power, and disks that are small. A disk is an ext4 image inside of an XFS with reflinks: what ext4 has
//! not pushed to its image is what a power cut loses, and a copy of the image is the disk as the power cut leaves it,
//! while the one that it was copied from goes on. Needs root and loop devices. Everything that was mounted is unmounted
//! when its owner is dropped, in a test that panics too.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Bytes of the XFS in which images lie: sparse, and above what XFS is content with.
const OUTER_BYTES: u64 = 2 << 30;
/// Bytes of an image.
const IMAGE_BYTES: u64 = 256 << 20;

/// Something that a test needs is missing on this machine: in one sentence.
#[derive(Debug)]
pub struct Missing(pub String);

/// Says that a test is passed over for want of something. Where the variable `CI` is set that is a failure.
///
/// *Panics* in CI.
pub fn pass_over(test: &str, Missing(what): &Missing) {
    assert!(std::env::var_os("CI").is_none(), "{test} cannot run here: {what}");
    println!("{test} is passed over: {what}");
}

/// Runs a program to its end and gives what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, Missing> {
    let failed = |why: String| Missing(format!("`{program} {}` fails: {why}", arguments.join(" ")));
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// A file system that is mounted, and the loop device below it.
#[derive(Debug)]
pub struct Mounted {
    folder: TempDir,
    device: Option<String>,
    mounted: bool,
}

impl Mounted {
    /// The image mounted, after `make` has made a file system on its device.
    fn of(image: &Path, make: Option<&[&str]>) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().map_err(|error| Missing(error.to_string()))?;
        let device = run("losetup", &["--find", "--show", text(image)])?;
        let mut mounted = Self { folder, device: Some(device.clone()), mounted: false };
        if let Some([program, arguments @ ..]) = make {
            run(program, &[arguments, &[device.as_str()]].concat())?;
        }
        run("mount", &[&device, text(mounted.path())])?;
        mounted.mounted = true;
        Ok(mounted)
    }

    /// A file system in memory of so many bytes.
    pub fn small(bytes: u64) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().map_err(|error| Missing(error.to_string()))?;
        let mut mounted = Self { folder, device: None, mounted: false };
        let size = format!("size={bytes}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(mounted.path())])?;
        mounted.mounted = true;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut ended = Ok(String::new());
        if self.mounted {
            // Somebody may have a file open still, in a test that panics: then it goes when that is closed.
            ended =
                run("umount", &[text(self.path())]).or_else(|_| run("umount", &["-l", text(self.path())]));
        }
        if let Some(device) = &self.device {
            ended = ended.and(run("losetup", &["-d", device]));
        }
        if let Err(Missing(why)) = ended {
            eprintln!("{why}");
        }
    }
}

/// A disk whose power can be cut.
#[derive(Debug)]
pub struct PoweredDisk {
    // Dropped in this order: what lies inside comes first.
    disk: Mounted,
    outer: Mounted,
    _folder: TempDir,
}

impl PoweredDisk {
    /// Makes one.
    pub fn make() -> Result<Self, Missing> {
        let folder = tempfile::tempdir().map_err(|error| Missing(error.to_string()))?;
        let sparse = |path: &Path, bytes: u64| {
            let file = std::fs::File::create(path).and_then(|file| file.set_len(bytes));
            file.map_err(|error| Missing(format!("{}: {error}", path.display())))
        };
        let outer_image = folder.path().join("outer.img");
        sparse(&outer_image, OUTER_BYTES)?;
        let outer = Mounted::of(&outer_image, Some(&["mkfs.xfs", "-q", "-m", "reflink=1"]))?;
        let image = outer.path().join("disk.img");
        sparse(&image, IMAGE_BYTES)?;
        let disk = Mounted::of(&image, Some(&["mkfs.ext4", "-q"]))?;
        Ok(Self { disk, outer, _folder: folder })
    }

    /// Where files are.
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// What would be on the disk if its power were cut now. It goes on itself.
    pub fn cut(&self, number: usize) -> Result<PathBuf, Missing> {
        let (image, copy) =
            (self.outer.path().join("disk.img"), self.outer.path().join(format!("cut{number}.img")));
        run("cp", &["--reflink=always", text(&image), text(&copy)])?;
        Ok(copy)
    }

    /// The disk as a power cut has left it, under power again.
    pub fn restored(&self, cut: &Path) -> Result<Mounted, Missing> {
        Mounted::of(cut, None)
    }
}
