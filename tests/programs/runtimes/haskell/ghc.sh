# limit: 900
# GHC: -O0, -O2, threads, STM, exceptions, Integer, the collectors, profiling of time by signals; ghci and Template Haskell (its linker of object files).
cat >Gen.hs <<'H'
{-# LANGUAGE TemplateHaskell #-}
module Gen where
import Language.Haskell.TH
power :: Int -> Q Exp
power 0 = [| const 1 |]
power n = [| \x -> x * $(power (n - 1)) x |]
H
cat >Main.hs <<'H'
{-# LANGUAGE TemplateHaskell, ScopedTypeVariables #-}
import Control.Concurrent
import Control.Concurrent.STM
import Control.Exception
import Control.Monad
import qualified Data.ByteString.Char8 as B
import qualified Data.IntMap.Strict as M
import Data.Array.ST
import Data.Array.Unboxed
import Data.Bits
import Data.IORef
import Data.Int
import Data.List (foldl', sortBy)
import Data.Ord (comparing)
import Foreign hiding (newArray)
import Foreign.C.Types
import Gen
import System.Exit
import System.IO
import System.Mem
import System.Process
import System.Timeout
import Text.Printf

foreign import ccall "math.h pow" cpow :: CDouble -> CDouble -> CDouble
foreign import ccall "wrapper" compareFun :: (Ptr Int32 -> Ptr Int32 -> IO CInt) -> IO (FunPtr (Ptr Int32 -> Ptr Int32 -> IO CInt))
foreign import ccall "stdlib.h qsort" qsort :: Ptr Int32 -> CSize -> CSize -> FunPtr (Ptr Int32 -> Ptr Int32 -> IO CInt) -> IO ()

sieve :: Int -> UArray Int Bool
sieve n = runSTUArray $ do
  a <- newArray (2, n) True
  forM_ [2 .. n] $ \i -> do { p <- readArray a i; when (p && i * i <= n) $ forM_ [i * i, i * i + i .. n] $ \j -> writeArray a j False }
  return a

queens :: Int -> Int
queens n = go n [] where go 0 _ = 1
                         go k qs = sum [go (k - 1) (q : qs) | q <- [1 .. n], and [q /= c && abs (q - c) /= d | (d, c) <- zip [1 ..] qs]]

main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  print (length (filter id (elems (sieve 200000))), queens 7)
  print (product [1 .. 60 :: Integer], (2 ^ (521 :: Int) - 1 :: Integer) `mod` (10 ^ (18 :: Int) + 9), gcd (3 ^ (200 :: Int)) (6 ^ (150 :: Int) :: Integer))
  printf "%.15f %g %s\n" (sqrt 2 :: Double) (1 / 3 :: Double) (show (truncate (1e10 :: Double) :: Int, round (2.5 :: Double) :: Int, isNaN (0 / 0 :: Double), decodeFloat (0.1 :: Double)))
  print ($(power 7) (3 :: Int), popCount (0xff00ff :: Int), rotateL (0x80000001 :: Word32) 3)
  print (M.foldlWithKey' (\s k v -> s + k * v) 0 (M.fromListWith (+) [(i `mod` 997, i) | i <- [1 .. 50000]]))
  v <- newTVarIO (0 :: Int); done <- newEmptyMVar
  forM_ [1 .. 8 :: Int] $ \i -> forkIO (replicateM_ 500 (atomically (modifyTVar' v (+ i))) >> putMVar done ())
  replicateM_ 8 (takeMVar done); readTVarIO v >>= print
  ring <- newEmptyMVar; lastOne <- foldM (\m _ -> do { n <- newEmptyMVar; _ <- forkIO (takeMVar m >>= putMVar n . (+ 1)); return n }) ring [1 .. 5000 :: Int]
  putMVar ring (0 :: Int); takeMVar lastOne >>= print
  r <- try (evaluate (1 `div` (0 :: Int))); print (r :: Either ArithException Int)
  r2 <- try (evaluate (head [])) :: IO (Either SomeException Int); putStrLn (either (const "empty") show r2)
  m <- newEmptyMVar; up <- newEmptyMVar; t <- forkIO ((putMVar up () >> threadDelay 50000000 >> putMVar m "slept") `catch` \(e :: AsyncException) -> putMVar m (show e)); takeMVar up; threadDelay 1000; killThread t; takeMVar m >>= putStrLn
  blocked <- try (newEmptyMVar >>= takeMVar) :: IO (Either BlockedIndefinitelyOnMVar ()); print (either (const "blocked") show blocked)
  timeout 50000 (evaluate (length (filter even [1 :: Integer ..]))) >>= print
  f <- compareFun (\a b -> fromIntegral . fromEnum <$> (compare <$> peek a <*> peek b) >>= \c -> return (c - 1))
  withArray [5, -3, 9, 0, 7, 1] $ \p -> qsort p 6 4 f >> peekArray 6 p >>= print
  print (cpow 2.5 0.3)
  out <- readProcess "sh" ["-c", "cat; echo child"] "fed "; putStr out
  let s = B.pack (concatMap show [1 .. 20000 :: Int]) in print (B.length s, B.foldl' (\h c -> (h * 31 + fromEnum c) .&. 0xffffffff) 7 s)
  xs <- newIORef []; forM_ [1 .. 300 :: Int] $ \i -> do { modifyIORef' xs ((replicate 300 i) :); when (i `mod` 50 == 0) performMajorGC; when (i `mod` 100 == 0) (writeIORef xs []) }
  print (take 3 (sortBy (comparing negate) (foldl' (\a x -> (x * 7919 `mod` 10007) : a) [] [1 .. 5000 :: Int])))
  exitWith (ExitFailure 3)
H
show() { "$@"; echo "status $?"; }
ghc -v0 -O0 Main.hs -o zero && show ./zero; rm -f ./*.o ./*.hi
ghc -v0 -O2 -threaded -rtsopts Main.hs -o two && show ./two | cksum; for rts in "-N1" "-N4" "-N4 -A64k -G3" "-N2 --nonmoving-gc" "-N1 -c -M256m" "-V0.001 -N2"; do show ./two +RTS $rts -RTS | cksum; done
./zero | cksum | tr '\n' ' '; ghc -v0 -dynamic -O1 Main.hs -o dyn -outputdir o && show ./dyn | cksum
printf 'let f 0 = 1; f n = n * f (n - 1)\nf 25\nmap (subtract 1) [1..5]\n:type foldr\n:load Gen.hs\nimport Control.Concurrent\nforkIO (putStrLn "thread") >> threadDelay 50000\nerror "x"\n1 `div` 0\n' | ghci -v0 -fobject-code 2>&1 | grep -vE 'CallStack|error, called|interactive'
echo 'main = interact (unlines . reverse . lines)' >r.hs; seq 5 | runghc r.hs; ghc -e 'sum [1..100]'; echo 'main = print (length (show (f 5)))' >bad.hs; ghc -v0 bad.hs 2>&1 | grep -c 'not in scope'
