use proptest::prelude::*;

use super::super::testing::{TOP, World, table};
use super::*;

const LEAF: u64 = 0x7000_8800;

/// One tick of a thread that runs, which reads until there is nothing more to learn.
fn tick(plan: &mut Plan, world: &World, certain: bool) -> (Attempt, Vec<Frame>) {
    tick_at(u64::from(world.reads.get()), plan, world, certain)
}

fn tick_at(progress: u64, plan: &mut Plan, world: &World, certain: bool) -> (Attempt, Vec<Frame>) {
    let (mut image, mut frames) = (Image::default(), Vec::new());
    plan.begin(progress);
    for _ in 0..20 {
        image.clear();
        plan.add_to(&mut image);
        if image.fill(world).is_err() {
            return (Attempt::Broken, Vec::new());
        }
        match plan.read(world, &table(), &image, certain, &mut frames) {
            Attempt::Learned => {}
            attempt => return (attempt, frames),
        }
    }
    (Attempt::Learned, Vec::new())
}

/// A thread of three frames whose plan knows where they are.
fn known() -> (World, Plan) {
    let (world, mut plan) = (World::default(), Plan::new(TOP));
    world.chain(LEAF, 3, 0x200);
    assert_eq!(tick(&mut plan, &world, false).0, Attempt::Stack);
    (world, plan)
}

/// The ranges of a read of [`known`], in the order in which they are copied: the published top, the page, the
/// top, the page, the top.
const AFTER_FIRST_TOP: u32 = 1;
const AFTER_FIRST_COPY: u32 = 2;
const BETWEEN_COPIES: u32 = 3;

#[test]
fn a_chain_is_a_stack_with_the_leaf_first() {
    let (world, mut plan) = (World::default(), Plan::new(TOP));
    world.word(TOP, 0);
    assert_eq!(tick(&mut plan, &world, false), (Attempt::Stack, Vec::new()));
    world.chain(LEAF, 3, 0x200);
    let (attempt, frames) = tick(&mut plan, &world, false);
    assert_eq!(attempt, Attempt::Stack);
    let addrs: Vec<u64> = frames.iter().map(|frame| frame.addr).collect();
    assert_eq!(addrs, [LEAF, LEAF - 0x200, LEAF - 0x400]);
    assert!(frames.iter().all(|frame| (frame.code, frame.lasti) == (0xc0de, 7)));
}

#[test]
fn a_chain_in_a_circle_ends() {
    let (world, mut plan) = known();
    world.frame(LEAF - 0x400, 0xc0de, LEAF, 7);
    assert_eq!(tick(&mut plan, &world, true).0, Attempt::Broken);
    let mut plan = Plan::new(TOP);
    assert_eq!(tick(&mut plan, &world, true).0, Attempt::Broken);
    // A frame that is its own caller.
    world.frame(LEAF, 0xc0de, LEAF, 7);
    assert_eq!(tick(&mut plan, &world, false).0, Attempt::Broken);
}

#[test]
fn pointers_to_nowhere_are_no_frames() {
    for wild in [8, 0x6000_0000, LEAF + PAGE, 1 << 63, u64::MAX - 7, u64::MAX] {
        let (world, mut plan) = known();
        world.frame(LEAF - 0x400, 0xc0de, wild, 7);
        assert_eq!(tick(&mut plan, &world, true).0, Attempt::Broken, "{wild:#x}");
        world.word(TOP, wild);
        assert_eq!(tick(&mut plan, &world, true).0, Attempt::Broken, "{wild:#x}");
        assert!(world.reads.get() < 100, "{}", world.reads.get());
    }
}

#[test]
fn what_changes_between_the_copies_is_not_believed() {
    let callee = LEAF + 0x200;
    for after in [AFTER_FIRST_TOP, AFTER_FIRST_COPY, BETWEEN_COPIES] {
        let (world, mut plan) = known();
        world.frame(callee, 0xc0de, LEAF, 0);
        world.change_after(after, TOP, callee);
        let mut image = Image::default();
        plan.add_to(&mut image);
        image.fill(&world).unwrap();
        let attempt = plan.read(&world, &table(), &image, false, &mut Vec::new());
        assert_eq!(attempt, Attempt::Broken, "top, after {after} ranges");
        assert_eq!(tick(&mut plan, &world, false).1.len(), 4);
    }
    let lasti = |frame: u64| frame + table().frame_lasti;
    for (addr, expected) in [
        // A caller that went on has returned from one call and made another.
        (lasti(LEAF - 0x200), Attempt::Broken),
        (LEAF - 0x200 + table().frame_code, Attempt::Broken),
        (LEAF + table().frame_code, Attempt::Broken),
        // The leaf goes on all the time.
        (lasti(LEAF), Attempt::Stack),
    ] {
        let (world, mut plan) = known();
        world.change_after(BETWEEN_COPIES, addr, 9);
        let mut image = Image::default();
        plan.add_to(&mut image);
        image.fill(&world).unwrap();
        let attempt = plan.read(&world, &table(), &image, false, &mut Vec::new());
        assert_eq!(attempt, expected, "{addr:#x}");
    }
}

#[test]
fn a_frame_whose_link_is_not_stored_yet_is_not_a_stack() {
    let (world, mut plan) = known();
    let callee = LEAF + 0x200;
    world.word(TOP, callee);
    // Entered and not linked: nothing has been executed.
    world.frame(callee, 0xc0de, 0, 0);
    for _ in 0..10 {
        assert_eq!(tick(&mut plan, &world, false).0, Attempt::Broken);
    }
    // Left and unlinked: for a moment.
    world.frame(callee, 0xc0de, 0, 3);
    for _ in 1..NEW_ROOT {
        assert_eq!(tick(&mut plan, &world, false).0, Attempt::Broken);
    }
    // A thread that waits for a processor stays there, however often it is looked at.
    let waits = u64::from(world.reads.get());
    let (mut other, mut plan) = (plan.clone(), plan);
    other.strange.1 -= 1;
    for _ in 0..20 {
        assert_eq!(tick_at(waits, &mut other, &world, false).0, Attempt::Broken);
    }
    // What stays while it runs is the beginning of another stack.
    assert_eq!(tick(&mut plan, &world, false).0, Attempt::Stack);
    // A thread that is stopped is not between two moments.
    let (world, mut plan) = known();
    world.word(TOP, callee);
    world.frame(callee, 0xc0de, 0, 0);
    assert_eq!(tick(&mut plan, &world, true).0, Attempt::Stack);
}

#[test]
fn a_page_that_goes_is_given_up() {
    let (world, mut plan) = known();
    world.unmap(LEAF);
    let elsewhere = 0x7100_0800;
    world.chain(elsewhere, 2, 0x200);
    let (attempt, frames) = tick(&mut plan, &world, false);
    assert_eq!((attempt, frames.len()), (Attempt::Stack, 2));
    assert_eq!(plan.pages, [elsewhere & !(PAGE - 1)]);
}

#[test]
fn of_a_deep_stack_the_inner_end_is_copied_twice() {
    let (world, mut plan) = (World::default(), Plan::new(TOP));
    let deep = 20 * TWICE as u64;
    world.chain(LEAF, deep, PAGE / 4);
    let (attempt, frames) = tick(&mut plan, &world, false);
    assert_eq!((attempt, frames.len() as u64), (Attempt::Stack, deep));
    assert_eq!((plan.inner.len(), plan.pages.len()), (TWICE, deep as usize / 4 + 1));
    let last = plan.inner[TWICE - 1];
    assert_eq!(last, LEAF & !(PAGE - 1));
    // One that never ends costs no more than the bound on pages.
    let (endless, mut plan) = (World::default(), Plan::new(TOP));
    endless.chain(0x9000_0000, MAX_PAGES as u64 + 50, PAGE);
    assert_eq!(tick(&mut plan, &endless, true).0, Attempt::Broken);
    assert_eq!(plan.pages.len(), MAX_PAGES);
}

#[test]
fn frames_across_two_pages_are_read_and_pages_at_the_end_of_memory_are_no_reason_to_panic() {
    let (world, mut plan) = (World::default(), Plan::new(TOP));
    world.chain(0x7000_1000 - 40, 2, PAGE);
    assert_eq!(tick(&mut plan, &world, false).1.len(), 2);
    assert_eq!(pages_of(0x1ff8, 144).collect::<Vec<_>>(), [0x1000, 0x2000]);
    assert_eq!(pages_of(u64::MAX - 7, 144).count(), 1);
    assert_eq!(pages_of(0, 0).count(), 1);
    let last = !(PAGE - 1);
    assert_eq!(runs(&[last - PAGE, last, 0x1000]).len(), 2);
}

proptest! {
    /// Whatever a frame says: no panic, no end that does not come, no stack that is longer than it may be.
    #[test]
    fn any_words_are_a_stack_or_none(
        words in prop::collection::vec((0_u64..0x400, prop_oneof![
            Just(0_u64),
            (0_u64..0x400).prop_map(|at| LEAF + at * 8),
            any::<u64>(),
        ]), 0..200),
        changes in prop::collection::vec((1_u32..60, 0_u64..0x400, (0_u64..0x400).prop_map(|at| LEAF + at * 8)), 0..8),
        top in 0_u64..0x400,
    ) {
        let (world, mut plan) = (World::default(), Plan::new(TOP));
        world.put(LEAF, &[0; 0x2000]);
        words.into_iter().for_each(|(at, word)| world.word(LEAF + at * 8, word));
        world.word(TOP, LEAF + top * 8);
        changes.into_iter().for_each(|(after, at, word)| world.change_after(after, LEAF + at * 8, word));
        for _ in 0..6 {
            let (attempt, frames) = tick(&mut plan, &world, false);
            prop_assert!(frames.len() <= MAX_FRAMES);
            if attempt == Attempt::Stack {
                for pair in frames.windows(2) {
                    prop_assert_eq!(pair[0].previous, pair[1].addr);
                }
                prop_assert_eq!(frames.last().map_or(0, |frame| frame.previous), 0);
            }
        }
        prop_assert!(world.reads.get() < 2000);
    }
}
